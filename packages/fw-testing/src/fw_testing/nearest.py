"""The calls that were made, the nearest to the expected one first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import SequenceMatcher
from typing import Any, TypeVar

from fw_testing.expected import Called, ExpectedCall
from fw_testing.showing import Difference, show_differences

MOST = 8
_CLOSELY = 100

C = TypeVar("C", bound=Called)


def nearest_first(
    expected: ExpectedCall,
    calls: Iterable[C],
    show: Callable[[C], str],
    more: Callable[[C], list[Difference]] = lambda _: [],
) -> str:
    """The calls as text, each with what is different, for the body of an error.

    Args:
        expected: What the test asked for.
        calls: What there is.
        show: One of them in a line.
        more: What else is different of a call of the same task.
    """
    compared = [(call, _differences(expected, call, more)) for call in calls]
    compared.sort(key=lambda pair: (pair[1] is None, len(pair[1] or ())))
    # To look closely at thousands would take seconds.
    nearest = sorted(compared[:_CLOSELY], key=lambda pair: _distance(expected, *pair))
    text = "".join(
        f"\n  {show(call)}" + ("" if found is None else show_differences(found, "      "))
        for call, found in nearest[:MOST]
    )
    left = len(compared) - MOST
    return text + (f"\n  … and {left} more" if left > 0 else "")


def _differences(
    expected: ExpectedCall, call: Any, more: Callable[[Any], list[Difference]]
) -> list[Difference] | None:
    """None for a call of another task."""
    if call.task != expected.name:
        return None
    return expected.differences(call) + more(call)


def _distance(
    expected: ExpectedCall, call: Called, found: list[Difference] | None
) -> tuple[float, ...]:
    if found is None:
        return 1, 1 - SequenceMatcher(None, expected.name, call.task).ratio()
    return 0, len(found), -sum(each.alike for each in found)
