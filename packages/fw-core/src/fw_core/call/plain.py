"""Values as JSON carries them, and what to say of those that it does not.

A value is plain as it is when it is null, a boolean, a number, text, a list or an object with text
keys, or one of the few types that the wire format marks: dates, times, Decimal, UUID, bytes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import (
    Iterator,
)
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, cast
from uuid import UUID

_WHY = "Arguments travel as JSON, so send an identifier and load the object inside the task."
_MARKED = (datetime, date, time, Decimal, UUID, bytes)
COMMON = (type(None), bool, int, float, str, list, dict, tuple, complex, timedelta, Enum, *_MARKED)
_MAX_DEPTH = 100
_MAX_INT_BITS = 14_000  # Python reads and writes at most 4,300 digits


class NotCarriedError(Exception):
    """No value of this annotation can be carried.

    Attributes:
        fix: What to write instead; empty where only the author can know.
    """

    def __init__(self, reason: str, *, fix: str = "") -> None:
        self.fix = fix
        super().__init__(reason)


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


def show(value: Any, limit: int = 80) -> str:
    """A value for people, never longer than a line; its own repr may fail."""
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return shortened(" ".join(text.split()) if "\n" in text else text, limit)


def shortened(text: str, limit: int) -> str:
    """The text, cut to ``limit`` characters."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def make_plain(where: str, value: Any, depth: int = 0) -> Any:
    """The value as JSON carries it, tuples as lists.

    Raises:
        NotPlainError: JSON cannot carry it, or something in it.
    """
    kind: Any = cast(Any, type)(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return _text(where, value)
    if kind is int:
        if value.bit_length() <= _MAX_INT_BITS:
            return value
        raise NotPlainError(
            where,
            "a number of thousands of digits",
            "",
            "Python reads no such number from JSON.",
            "send it as text in hexadecimal: hex(value).",
        )
    if kind is float:
        if math.isfinite(value):
            return value
        raise NotPlainError(
            where, show(value), "", "JSON has no infinity and no NaN.", "send None instead."
        )
    if depth == _MAX_DEPTH:
        raise NotPlainError(
            where.partition("[")[0],
            f"it is nested more than {_MAX_DEPTH} levels deep, or holds itself",
            "",
            "A worker could not read it back.",
            "send a flat list, with the links between its items as ids.",
        )
    if kind in (list, tuple):
        return [make_plain(f"{where}[{i}]", item, depth + 1) for i, item in enumerate(value)]
    if kind is dict:
        return {
            plain_key(where, key): make_plain(inside(where, key), item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, _MARKED):
        return value
    raise refusal(where, value, "")


def _text(where: str, value: str) -> str:
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotPlainError(
            where,
            show(value),
            "",
            "It holds half a character (a lone surrogate), which is no text outside Python.",
            'value.encode("utf-8", "replace").decode() has a question mark in its place.',
        ) from None
    return value


def plain_key(where: str, key: Any) -> str:
    """The key of an object.

    Raises:
        NotPlainError: it is no text.
    """
    if isinstance(key, str):
        return _text(where, key)
    raise NotPlainError(
        inside(where, key),
        f"the key {show(key)}",
        "",
        "Keys become text in JSON, so the task would not find it again.",
        "use str keys, or annotate the parameter, such as {parameter}: dict[int, str]",
    )


def inside(where: str, step: Any) -> str:
    """The way to something inside of ``where``."""
    return f"{where}[{show(step, 40)}]"


def verbatim(text: str) -> str:
    """Text for a fix line, whose braces are no places to be filled in."""
    return text.replace("{", "{{").replace("}", "}}")


def refusal(where: str, value: Any, expected: str) -> NotPlainError:
    """The error for ``value``, with advice that fits what it is."""

    def refused(why: str, fix: str) -> NotPlainError:
        return NotPlainError(where, show(value), expected, why, fix)

    by_id = f"put {verbatim(where)}.id in its place." if "[" in where else "{call}({object}.id)"
    kind: Any = cast(Any, type)(value)
    if isinstance(value, (set, frozenset)):
        return refused("JSON has no sets.", "{call}(sorted(value))")
    if isinstance(value, Iterator):
        return refused("It gives its items once, and not to a worker.", "{call}(list(value))")
    if hasattr(kind, "__table__") or hasattr(kind, "_meta") or _has_id(value):
        return refused(_WHY, by_id)
    if isinstance(value, type) or callable(value):
        return refused("Code does not travel in a message.", "send its name as text.")
    if expected and isinstance(value, COMMON):
        return refused(
            "The worker would fail on it, so nothing was sent.",
            f"pass {verbatim(expected)} as {{parameter}}, or change its annotation.",
        )
    if not expected and _has_a_schema(value):
        return refused(
            "Without an annotation, the worker would not know what to make of it.",
            f"annotate the parameter, such as {{parameter}}: {verbatim(kind.__name__)}",
        )
    return refused(_WHY, by_id)


def _has_id(value: Any) -> bool:
    try:
        return hasattr(value, "id")
    except Exception:  # a property that asks a database, for one
        return True


def _has_a_schema(value: Any) -> bool:
    return (
        is_a(value, (Enum, timedelta))
        or hasattr(type(value), "__pydantic_core_schema__")  # pyright: ignore[reportUnknownArgumentType]
        or dataclasses.is_dataclass(value)
    )


def is_a(value: object, kinds: Any) -> bool:
    """``isinstance`` that leaves the type checkers' idea of a value alone: it stays Any."""
    return isinstance(value, kinds)
