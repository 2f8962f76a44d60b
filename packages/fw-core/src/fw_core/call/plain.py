"""Values as JSON carries them: one carrier for each annotation, and one for none.

pydantic does the work where there is an annotation. Without one, a value must be plain as it is:
null, booleans, numbers, text, lists and objects with text keys, and the few types that the wire
format marks (dates, times, Decimal, UUID, bytes).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

_WHY = "Arguments travel as JSON, so send an identifier and load the object inside the task."
_MARKED = (datetime, date, time, Decimal, UUID, bytes)


class NotCarriedError(Exception):
    """No value of this annotation can be carried."""


@dataclass(frozen=True, slots=True)
class NotPlainError(Exception):
    """A value that does not fit its place or that JSON cannot carry.

    Attributes:
        where: The argument and the way into it.
        shown: The value, for people.
        expected: What was expected; empty where the value fits no place at all.
        why: Why it matters.
        fix: A line with ``{call}``, ``{parameter}`` and ``{object}`` to be filled in.
    """

    where: str
    shown: str
    expected: str
    why: str
    fix: str


class Carrier(Protocol):
    """Brings values of one annotation into a message and out of it."""

    def encode(self, where: str, value: Any) -> Any:
        """The plain form of ``value``; raises NotPlainError."""
        ...

    def decode(self, where: str, value: Any) -> Any:
        """The value of a plain form; raises NotPlainError."""
        ...


def carrier(annotation: Any) -> Carrier:
    """The carrier of an annotation.

    Raises:
        NotCarriedError: no value of it can be carried.
    """
    if annotation in (Any, object):
        return _ANY
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    return _typed(annotation)


def type_name(annotation: Any) -> str:
    """An annotation as its author wrote it, more or less."""
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def show(value: Any, limit: int = 80) -> str:
    """A value for people, never longer than a line; its own repr may fail."""
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= limit else text[: limit - 3] + "..."


class _Simple:
    """str, int, float, bool, None: checked without pydantic, since most arguments are these."""

    def __init__(self, accepts: tuple[type, ...], expected: str) -> None:
        self._accepts = accepts
        self._expected = expected

    def encode(self, where: str, value: Any) -> Any:
        if type(value) in self._accepts and (type(value) is not float or math.isfinite(value)):
            return value
        raise refusal(where, value, self._expected)

    decode = encode


_SIMPLE: dict[Any, Carrier] = {
    str: _Simple((str,), "str"),
    int: _Simple((int,), "int"),
    float: _Simple((float, int), "float"),
    bool: _Simple((bool,), "bool"),
    None: _Simple((type(None),), "None"),
    type(None): _Simple((type(None),), "None"),
}


class _Anything:
    """No annotation: the value has to be plain already."""

    def encode(self, where: str, value: Any) -> Any:
        return _plain(where, value)

    def decode(self, where: str, value: Any) -> Any:
        return value


_ANY: Carrier = _Anything()


def _plain(where: str, value: Any) -> Any:
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        if math.isfinite(value):
            return value
        raise NotPlainError(
            where, show(value), "", "JSON has no infinity and no NaN.", "send None instead."
        )
    if kind in (list, tuple):
        return [_plain(f"{where}[{i}]", item) for i, item in enumerate(value)]
    if kind is dict:
        return {_key(where, key): _plain(f"{where}[{key!r}]", item) for key, item in value.items()}
    if isinstance(value, _MARKED):
        return value
    raise refusal(where, value, "")


def _key(where: str, key: Any) -> str:
    if isinstance(key, str):
        return key
    raise NotPlainError(
        f"{where}[{key!r}]",
        f"the key {show(key)}",
        "",
        "Keys become text in JSON, so the task would not find it again.",
        "use str keys, or annotate the parameter, such as {parameter}: dict[int, str]",
    )


def refusal(where: str, value: Any, expected: str) -> NotPlainError:
    """The error for ``value``, with advice that fits what it is."""
    kind = type(value)
    shown = show(value)
    if isinstance(value, (set, frozenset)):
        return NotPlainError(where, shown, expected, "JSON has no sets.", "{call}(sorted(value))")
    if hasattr(kind, "__table__") or hasattr(kind, "_meta") or hasattr(value, "id"):
        return NotPlainError(where, shown, expected, _WHY, "{call}({object}.id)")
    if isinstance(value, type) or callable(value):
        return NotPlainError(
            where, shown, expected, "Code does not travel in a message.", "send its name as text."
        )
    if expected and (value is None or isinstance(value, (bool, int, float, str, list, dict, tuple))):
        return NotPlainError(
            where,
            shown,
            expected,
            "The worker would fail on it, so nothing was sent.",
            f"pass {expected} as {{parameter}}, or change its annotation.",
        )
    return NotPlainError(where, shown, expected, _WHY, "{call}({object}.id)")


class _Typed:
    """An annotation that pydantic knows."""

    def __init__(self, adapter: Any, expected: str) -> None:
        self._adapter = adapter
        self._expected = expected

    def encode(self, where: str, value: Any) -> Any:
        value = self._checked(where, value, lambda: self._adapter.validate_python(value, strict=True))
        return self._adapter.dump_python(value, mode="json")

    def decode(self, where: str, value: Any) -> Any:
        from pydantic_core import to_json

        return self._checked(
            where, value, lambda: self._adapter.validate_json(to_json(value), strict=True)
        )

    def _checked(self, where: str, value: Any, check: Callable[[], Any]) -> Any:
        from pydantic import ValidationError
        from pydantic_core import PydanticSerializationError

        try:
            return check()
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            inner = "".join(f"[{step!r}]" for step in first["loc"])
            found = refusal(where + inner, first["input"], self._expected)
            if inner:
                message = first["msg"]
                found = NotPlainError(
                    found.where, found.shown, f"{self._expected} ({message})", found.why, found.fix
                )
            raise found from None
        except (PydanticSerializationError, ValueError, TypeError):
            raise refusal(where, value, self._expected) from None


@lru_cache(maxsize=4096)
def _typed_cached(annotation: Any) -> Carrier:
    return _make_typed(annotation)


def _typed(annotation: Any) -> Carrier:
    try:
        hash(annotation)
    except TypeError:
        return _make_typed(annotation)
    return _typed_cached(annotation)


def _make_typed(annotation: Any) -> Carrier:
    from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

    try:
        adapter: Any = TypeAdapter(annotation)
    except PydanticSchemaGenerationError:
        raise NotCarriedError("it is a class that only Python knows") from None
    except PydanticUserError as error:
        raise NotCarriedError(error.message.splitlines()[0]) from None
    return _Typed(adapter, type_name(annotation))
