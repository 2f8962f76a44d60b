"""A call as a test expects it, and how a call that was made differs from it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from fw_core.declare.handle import TaskHandle
from fw_core.errors import CallError, MessageError, UnknownTaskError
from fw_testing.records import DeadLetter, Message
from fw_testing.showing import (
    MISSING,
    Difference,
    are_equal,
    differences,
    show_call,
)

Task = TaskHandle[..., Any] | str
"""A task, or its name on the wire."""


Called = Message | DeadLetter


@dataclass(frozen=True, slots=True)
class _Expectation:
    """An argument that is compared as it is: ``ANY``, ``approx(1)``, anything with ``__eq__``."""

    value: Any


@dataclass(frozen=True)
class ExpectedCall:
    """A call that a test expects; without arguments every call of the task is one.

    Args:
        name: The task's name.
        handle: The task, if it is declared here.
        args: The positional arguments as the test wrote them.
        kwargs: The named ones.
        options: What else the call is to have, by its name; None is not asked for.

    Raises:
        CallError: no call of the task can have these arguments.
    """

    name: str
    handle: TaskHandle[..., Any] | None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict[str, Any])
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        _ = self._arguments  # a wrong call is told at once

    def __str__(self) -> str:
        if self.is_any:
            return show_call(self.name, ["..."], {}, self.options).replace("'...'", "...")
        return show_call(self.name, self.args, self.kwargs, self.options)

    @property
    def is_any(self) -> bool:
        """Whether the arguments do not matter."""
        return not self.args and not self.kwargs

    def differences(self, call: Called) -> list[Difference]:
        """How a call of the task differs from this one: its arguments, then its options."""
        found: list[Difference] = [] if self.is_any else self._of_arguments(call)
        for name, wanted in self.options.items():
            found += _of_option(name, wanted, getattr(call, name))
        return found

    def _of_arguments(self, call: Called) -> list[Difference]:
        if self.handle is None:
            return _plain_differences(self, call)
        try:
            actual = self.handle.arguments.named(call)
        except TypeError:  # sent from elsewhere
            return [Difference("arguments", (self.args, self.kwargs), (call.args, call.kwargs))]
        decoded = _Decoded(self.handle, call)
        found: list[Difference] = []
        for name in self._parameters:
            found += self._of_argument(
                name,
                self._arguments.get(name, MISSING),
                actual.get(name, MISSING),
                decoded,
            )
        return found

    def _of_argument(
        self, name: str, wanted: Any, plain: Any, decoded: _Decoded
    ) -> list[Difference]:
        if wanted is MISSING and plain is MISSING:
            return []
        default = self._default(name)
        if isinstance(wanted, _Expectation):
            actual = default if plain is MISSING else decoded[name]
            return differences(name, wanted.value, actual)
        if wanted is MISSING:  # it is to have its default
            same = are_equal(default, plain) or are_equal(default, decoded[name])
            return [] if same else differences(name, default, plain)
        if plain is MISSING:
            same = are_equal(self._given[name], default) or are_equal(wanted, default)
            return [] if same else differences(name, wanted, default)
        return differences(name, wanted, plain)

    @cached_property
    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        assert self.handle is not None
        return inspect.signature(self.handle.spec.function).parameters

    def _default(self, name: str) -> Any:
        parameter = self._parameters[name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            return []
        if parameter.kind is parameter.VAR_KEYWORD:
            return {}
        return MISSING if parameter.default is parameter.empty else parameter.default

    @cached_property
    def _arguments(self) -> dict[str, Any]:
        """The plain arguments by their names, and what is to be compared as it is."""
        if self.handle is None or self.is_any:
            return {}
        return self.handle.arguments.encode_named(self.args, self.kwargs, otherwise=_as_it_is)

    @cached_property
    def _given(self) -> dict[str, Any]:
        assert self.handle is not None
        return self.handle.arguments.named(self)


def expected_call(
    known: Mapping[str, TaskHandle[..., Any]],
    seen: Callable[[str], bool],
    task: Task,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    **options: Any,
) -> ExpectedCall:
    """What a test asks for.

    An option that has the name of one of the task's own arguments is that argument.

    Args:
        known: The declared tasks.
        seen: Whether there is a call of this name, though the task is not declared.
        task: The task, or its name.
        args: The positional arguments.
        kwargs: The named ones.
        **options: What else the call is to have; None is not asked for.

    Raises:
        CallError: no call of the task can have these arguments.
        UnknownTaskError: there is no task of that name, and none was sent.
    """
    name = task if isinstance(task, str) else task.name
    handle = known.get(name) if isinstance(task, str) else task
    if handle is None and not seen(name):
        raise UnknownTaskError(name=name, known=known)
    given = {option: value for option, value in options.items() if value is not None}
    if handle is not None:
        own = inspect.signature(handle.spec.function).parameters.keys() & given.keys()
        kwargs = {**kwargs, **{option: given.pop(option) for option in sorted(own)}}
    return ExpectedCall(name, handle, args, kwargs, given)


def _as_it_is(value: Any, error: CallError) -> _Expectation:
    """Take what JSON cannot carry as something to compare with.

    A plain value of a wrong type is none: no call could have it, so the test is wrong.
    """
    if _is_plain(value) or vars(object)["__eq__"] is type(value).__eq__:
        raise error from None
    return _Expectation(value)


def _is_plain(value: Any) -> bool:
    from fw_core.call.plain import NotPlainError, make_plain

    try:
        make_plain("value", value)
    except NotPlainError:
        return False
    return True


class _Decoded:
    """The arguments of a call as its function gets them, decoded when one is asked for."""

    def __init__(self, handle: TaskHandle[..., Any], call: Called) -> None:
        self._handle = handle
        self._call = call

    def __getitem__(self, name: str) -> Any:
        return self._values.get(name, MISSING)

    @cached_property
    def _values(self) -> dict[str, Any]:
        arguments = self._handle.arguments
        try:
            return arguments.named(arguments.decode(self._call.args, self._call.kwargs))
        except MessageError:  # sent from elsewhere, with arguments that do not fit
            return arguments.named(self._call)


def _plain_differences(expected: ExpectedCall, call: Called) -> list[Difference]:
    found: list[Difference] = []
    for number in range(max(len(expected.args), len(call.args))):
        one, other = (_at(values, number) for values in (expected.args, call.args))
        found += differences(f"argument {number + 1}", one, other)
    for name in [*expected.kwargs, *(n for n in call.kwargs if n not in expected.kwargs)]:
        wanted, actual = expected.kwargs.get(name, MISSING), call.kwargs.get(name, MISSING)
        found += differences(name, wanted, actual)
    return found


def _at(values: Sequence[Any], number: int) -> Any:
    return values[number] if number < len(values) else MISSING


def _of_option(name: str, wanted: Any, actual: Any) -> list[Difference]:
    if isinstance(actual, timedelta) and isinstance(wanted, (int, float)):
        wanted = timedelta(seconds=wanted)
    return [] if are_equal(wanted, actual) else [Difference(name, wanted, actual)]
