"""How a failed assertion shows values: in a line, shortened around what is different."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import SequenceMatcher
from typing import Any, cast

from fw_core.call.plain import show

WIDTH = 72
MOST_DIFFERENCES = 5
_BEFORE = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as expected.

    Attributes:
        where: The argument and the way into it, or the option.
        expected: What was expected.
        actual: What there is.
    """

    where: str
    expected: Any
    actual: Any

    def __str__(self) -> str:
        expected, actual = around(text_of(self.expected), text_of(self.actual))
        return f"{self.where}: {expected} != {actual}"

    @property
    def alike(self) -> float:
        """How much the two look alike, from 0 to 1."""
        shown = around(text_of(self.expected), text_of(self.actual))
        return SequenceMatcher(None, *shown).ratio()


class Verbatim(str):
    """A text that is shown as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class _Missing:
    def __repr__(self) -> str:
        return "(not there)"


MISSING: Any = _Missing()


def differences(where: str, expected: Any, actual: Any) -> list[Difference]:
    """Where two values differ, down to the innermost values; empty if they are equal.

    >>> [str(each) for each in differences("order", {"id": 1, "n": 2}, {"id": 3, "n": 2})]
    ["order['id']: 1 != 3"]
    """
    return list(_differences(where, expected, actual))


def _differences(where: str, expected: Any, actual: Any) -> Iterator[Difference]:
    if are_equal(expected, actual):
        return
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        yield from _of_mappings(where, cast("Any", expected), cast("Any", actual))
    elif _is_list(expected) and _is_list(actual) and len(expected) == len(actual):
        for number, (one, other) in enumerate(zip(expected, actual, strict=True)):
            yield from _differences(f"{where}[{number}]", one, other)
    else:
        yield Difference(where, expected, actual)


def _of_mappings(
    where: str, expected: Mapping[Any, Any], actual: Mapping[Any, Any]
) -> Iterator[Difference]:
    keys = [*expected, *(key for key in actual if key not in expected)]
    for key in keys:
        yield from _differences(
            f"{where}[{show(key)}]", expected.get(key, MISSING), actual.get(key, MISSING)
        )


def are_equal(expected: Any, actual: Any) -> bool:
    """Whether the values are equal, as the expected one sees it; one that cannot say is not."""
    try:
        return bool(expected == actual)
    except Exception:  # noqa: BLE001 - arrays and the like have no single answer
        return False


def around(one: str, other: str, width: int = WIDTH) -> tuple[str, str]:
    """Two texts, each cut to ``width`` characters where they begin to differ.

    >>> around("x" * 50 + "1", "x" * 50 + "2", 30)
    ('…xxxxxxxxxxxxxxxxxxxx1', '…xxxxxxxxxxxxxxxxxxxx2')
    """
    if len(one) <= width and len(other) <= width:
        return one, other
    pairs = zip(one, other, strict=False)
    first = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
    start = max(0, first - _BEFORE)
    return _cut(one, start, width), _cut(other, start, width)


def _cut(text: str, start: int, width: int) -> str:
    return "…" * (start > 0) + text[start : start + width] + "…" * (len(text) > start + width)


def text_of(value: Any) -> str:
    """A value for people in one line, however long; its own repr may fail."""
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    return show(value, 100_000)


def show_differences(found: Sequence[Difference], indent: str) -> str:
    """The differences, one a line; the first few of many."""
    lines = [f"\n{indent}{each}" for each in found[:MOST_DIFFERENCES]]
    left = len(found) - MOST_DIFFERENCES
    return "".join(lines) + (f"\n{indent}… and {left} more" if left > 0 else "")


def show_call(
    task: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
) -> str:
    """A call in a line: ``orders.process(42, gift=True) with queue='bulk'``."""
    shown = [show(arg) for arg in args]
    shown += [f"{name}={show(value)}" for name, value in kwargs.items()]
    given = [f"{name}={text_of(value)}" for name, value in (options or {}).items()]
    return f"{task}({', '.join(shown)})" + (f" with {', '.join(given)}" if given else "")


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))
