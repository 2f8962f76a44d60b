"""Arguments on their way into a message and out of it, checked by the function's annotations.

Sending is strict: what is annotated ``int`` takes an int, not ``"7"``. Values leave as plain JSON
(a date as text, a model as an object) and are read back, just as strictly, in the worker.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

from fw_core.call import carriers, plain
from fw_core.errors import CallError, DeclarationError, MessageError

Args = tuple[Any, ...]
Kwargs = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checked:
    """Arguments that fit the task and that JSON carries."""

    args: Args
    kwargs: Kwargs


@dataclass(frozen=True, slots=True)
class _Positional:
    """The parameters of a function that can all be given by position."""

    required: int
    carriers: tuple[tuple[str, carriers.Carrier], ...]

    def takes(self, count: int) -> bool:
        return self.required <= count <= len(self.carriers)


class Arguments:
    """The arguments that a task takes.

    Args:
        name: The task's name, for messages.
        function: Whose signature and annotations are obeyed.
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._name = name
        self._function = function
        self._signature = inspect.signature(function)

    def encode(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Checked:
        """Check the arguments of a call and return what its message carries.

        Raises:
            CallError: one is missing, unknown, of a wrong type, or nothing that JSON carries.
        """
        return self._map(args, kwargs, lambda carrier: carrier.encode)

    def encode_or_keep(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Checked:
        """Like :meth:`encode`, but arguments that are in their plain form already stay so.

        Raises:
            CallError: they fit in neither form.
        """
        try:
            return self.encode(args, kwargs)
        except CallError:
            try:
                self.decode(args, kwargs)
            except CallError:
                pass
            else:
                return Checked(tuple(args), dict(kwargs))
            raise

    def encode_named(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        otherwise: Callable[[Any, CallError], Any],
    ) -> dict[str, Any]:
        """The plain arguments of a call by the names of their parameters.

        Args:
            args: The positional arguments.
            kwargs: The named arguments.
            otherwise: Gives what stands for an argument that does not fit, or raises the error.

        Raises:
            CallError: an argument is missing or unknown.
        """
        direction = attrgetter("encode")
        return dict(self._mapped(args, kwargs, direction, otherwise).arguments)

    def decode(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Checked:
        """Check the arguments of a message and return what the function is called with.

        Raises:
            MessageError: as in :meth:`encode`; the message came from elsewhere or other code.
        """
        try:
            return self._map(args, kwargs, lambda carrier: carrier.decode)
        except CallError as error:
            raise MessageError(
                error.what,
                "The message came from elsewhere or from other code; another attempt would get "
                "the same arguments.",
                f"send it by {self._short}.delay(...), which checks before it sends.",
            ) from None

    def encode_step(self, named: Mapping[str, Any]) -> Kwargs:
        """Check the named arguments of a step, whose first argument is a result yet to come.

        Raises:
            CallError: it takes no such argument, or one is missing, or of a wrong type.
        """
        self._bind((None,), named)
        checked: Kwargs = {}
        for name, value in named.items():
            own = self._carriers.get(name) or carriers.carrier(Any)  # one of **kwargs
            try:
                checked[name] = own.encode(name, value)
            except plain.NotPlainError as error:
                raise self._refusal(error, name) from None
        return checked

    def unknown(self, named: Iterable[str]) -> list[str]:
        """Those names that are no argument's."""
        parameters = self._signature.parameters
        if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            return []
        return [name for name in named if name not in parameters]

    @property
    def names(self) -> list[str]:
        """The names of the arguments."""
        return list(self._signature.parameters)

    @property
    def first(self) -> tuple[str, Any] | None:
        """The name and annotation of the first argument; None: it takes none by position."""
        for name, parameter in self._signature.parameters.items():
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                return name, self._hints.get(name, Any)
            if parameter.kind is parameter.VAR_POSITIONAL:
                return f"*{name}", self._hints.get(name, Any)
        return None

    @property
    def returned(self) -> Any:
        """The annotation of what the function returns; ``Any`` without one."""
        return self._hints.get("return", Any)

    def read_result(self, value: Any) -> Any:
        """The value of a stored result; one that is not what its annotation says stays plain."""
        try:
            return self.returns.decode("result", value)
        except plain.NotPlainError:
            return value

    def resolve(self) -> None:
        """Resolve every annotation now, forward references too: all modules are imported.

        Raises:
            DeclarationError: an annotation names what does not exist, or cannot be carried.
        """
        _ = self._carriers, self.returns

    def named(self, call: Any) -> dict[str, Any]:
        """The ``args`` and ``kwargs`` of a call by the names of their parameters."""
        return dict(self._signature.bind(*call.args, **call.kwargs).arguments)

    def takes(self, count: int) -> bool:
        """Whether the function can be called with ``count`` positional arguments and no others."""
        try:
            self._signature.bind(*range(count))
        except TypeError:
            return False
        return True

    def __str__(self) -> str:
        """The signature as its author wrote it, also where annotations are kept as text."""
        try:
            return str(inspect.signature(self._function, eval_str=True))
        except Exception:
            return str(self._signature)

    def check_declaration(self) -> None:
        """Find out now whether every annotation can be carried; a forward reference waits.

        Raises:
            DeclarationError: a parameter's annotation is a class that JSON cannot carry.
        """
        try:
            typing.get_type_hints(self._function, include_extras=True)
        except NameError:
            return
        except Exception:  # what it is says self._hints
            pass
        _ = self._carriers, self.returns

    @cached_property
    def returns(self) -> carriers.Carrier:
        """What the function returns, on its way into a result and out of it."""
        return self._carrier("return", self._hints.get("return", Any))

    @cached_property
    def _hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(self._function, include_extras=True)
        except NameError as error:
            raise DeclarationError(
                f"{self._name}: an annotation names {error.name!r}, which is not defined.",
                "Arguments are checked by their annotations, so they must exist at run time.",
                f"import {error.name} outside `if TYPE_CHECKING:`.",
            ) from error
        except Exception as error:
            raise DeclarationError(
                f"{self._name}: an annotation cannot be read: {plain.show(error)}.",
                "Arguments are checked by their annotations, so they must mean something.",
                "annotate with types; text for people belongs into the docstring.",
            ) from error

    @cached_property
    def _carriers(self) -> dict[str, carriers.Carrier]:
        return {
            name: self._carrier(name, self._hints.get(name, Any))
            for name in self._signature.parameters
        }

    @cached_property
    def _positional(self) -> _Positional | None:
        """How a call with positional arguments alone is checked: most are such a one."""
        parameters = self._signature.parameters.values()
        if any(each.kind is not each.POSITIONAL_OR_KEYWORD for each in parameters):
            return None
        required = sum(each.default is each.empty for each in parameters)
        return _Positional(required, tuple(self._carriers.items()))

    def _carrier(self, parameter: str, annotation: Any) -> carriers.Carrier:
        try:
            return carriers.carrier(annotation)
        except plain.NotCarriedError as error:
            shown = carriers.type_name(annotation)
            if parameter == "return":
                fix = "return plain values, such as its id."
            else:
                fix = f"take an identifier and load the object inside the task: {parameter}_id: int"
            raise DeclarationError(
                f"{self._name}: {'the result' if parameter == 'return' else repr(parameter)} "
                f"is annotated {shown}, which JSON cannot carry ({error}).",
                "Messages and results travel as JSON, so an object like that never arrives.",
                error.fix or fix,
            ) from error

    def _map(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        direction: Callable[[carriers.Carrier], Callable[[str, Any], Any]],
    ) -> Checked:
        positional = self._positional
        if not kwargs and positional is not None and positional.takes(len(args)):
            pairs = zip(positional.carriers, args, strict=False)
            try:
                return Checked(tuple([direction(own)(name, arg) for (name, own), arg in pairs]), {})
            except plain.NotPlainError:
                pass  # said below, with all that is wrong about it

        def refuse(_: Any, error: CallError) -> Any:
            raise error from None

        bound = self._mapped(args, kwargs, direction, refuse)
        return Checked(bound.args, bound.kwargs)

    def _mapped(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        direction: Callable[[carriers.Carrier], Callable[[str, Any], Any]],
        otherwise: Callable[[Any, CallError], Any],
    ) -> inspect.BoundArguments:
        bound = self._bind(args, kwargs)
        own = self._carriers
        for name, parameter in self._signature.parameters.items():
            if name not in bound.arguments:
                continue
            convert, value = direction(own[name]), bound.arguments[name]
            try:
                if parameter.kind is parameter.VAR_POSITIONAL:
                    bound.arguments[name] = tuple(
                        convert(f"{name}[{i}]", item) for i, item in enumerate(value)
                    )
                elif parameter.kind is parameter.VAR_KEYWORD:
                    bound.arguments[name] = {key: convert(key, item) for key, item in value.items()}
                else:
                    bound.arguments[name] = convert(name, value)
            except plain.NotPlainError as error:
                bound.arguments[name] = otherwise(value, self._refusal(error, name))
        return bound

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
        try:
            return self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise CallError(
                f"{self._name}: {error}; it takes {self._short}{self}.",
                "A message with these arguments could never run.",
                f"{self._short}.delay({self._example})",
            ) from None

    def _refusal(self, error: plain.NotPlainError, parameter: str) -> CallError:
        if error.expected:
            what = f"argument {error.where!r} must be {error.expected}, got {error.shown}"
        else:
            what = f"argument {error.where!r} cannot be carried by JSON: {error.shown}"
        return CallError(
            f"{self._name}: {what}.",
            error.why,
            error.fix.format(
                call=f"{self._short}.delay",
                parameter=parameter,
                object=parameter.removesuffix("_id"),
            ),
        )

    @property
    def _short(self) -> str:
        return self._function.__name__

    @property
    def _example(self) -> str:
        shown: list[str] = []
        for name, parameter in self._signature.parameters.items():
            if parameter.default is not parameter.empty or parameter.kind in (
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
            ):
                continue
            shown.append(f"{name}=..." if parameter.kind is parameter.KEYWORD_ONLY else name)
        return ", ".join(shown)
