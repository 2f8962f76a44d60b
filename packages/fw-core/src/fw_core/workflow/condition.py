"""What a plan may ask of a result, to choose by it: a small set of comparisons, and no code.

Numbers are compared with numbers and texts with texts; ``true`` is no number. A field that is not
there equals nothing and is in nothing; to ask whether it is greater than something is an error,
and so is to compare a text with a number: which way to go would be a guess.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fw_core.call.plain import show
from fw_core.errors import ConditionError


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()
"""In place of a field that is not there."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A question about a result.

    Attributes:
        comparison: One of :data:`COMPARISONS`.
        value: What is compared with.
        field: Which part of the result: keys of mappings and indexes of lists, with dots between
            them; empty: the result itself.

    >>> Condition("equals", "paid", field="order.status").holds({"order": {"status": "paid"}})
    True
    >>> Condition("at_least", 3).holds(2)
    False
    """

    comparison: str
    value: Any
    field: str = ""

    def holds(self, result: Any) -> bool:
        """Whether it is so.

        Raises:
            ConditionError: the two cannot be compared.
        """
        found = self.find(result)
        return COMPARISONS[self.comparison](self, found)

    def find(self, result: Any) -> Any:
        """The part of a result that is asked about; ``MISSING`` if there is none."""
        found = result
        for name in self.field.split(".") if self.field else ():
            if isinstance(found, dict) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                return MISSING
        return found

    def __str__(self) -> str:
        return f"{self.field or 'the result'} {self.comparison} {show(self.value)}"


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON, where 1 is 1.0 and not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Condition, Any], bool]:
    def compared(asked: Condition, found: Any) -> bool:
        for kind in ((int, float), str):
            if _is(found, kind) and _is(asked.value, kind):
                return compare(found, asked.value)
        raise _cannot(asked, found)

    return compared


def _contains(asked: Condition, found: Any) -> bool:
    if isinstance(found, list):
        return any(_same(each, asked.value) for each in found)
    if isinstance(found, (str, dict)) and isinstance(asked.value, str):
        return asked.value in found
    if found is MISSING:
        return False
    raise _cannot(asked, found)


def _empty(asked: Condition, found: Any) -> bool:
    if found is None or found is MISSING or isinstance(found, (str, list, dict)):
        return (not found or found is MISSING) is asked.value
    raise _cannot(asked, found)


def _is(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _cannot(asked: Condition, found: Any) -> ConditionError:
    shown = show(found)
    return ConditionError(
        f"{asked.field or 'The result'} is {shown}, which cannot be asked: {asked}.",
        "Whether that is so has no answer, and to guess one would send the workflow somewhere.",
        '{"if": {"field": "status", "exists": true}, ...} or let the step return what is compared.',
    )


COMPARISONS: dict[str, Callable[[Condition, Any], bool]] = {
    "equals": lambda asked, found: _same(found, asked.value),
    "not_equals": lambda asked, found: not _same(found, asked.value),
    "greater_than": _ordered(operator.gt),
    "at_least": _ordered(operator.ge),
    "less_than": _ordered(operator.lt),
    "at_most": _ordered(operator.le),
    "in": lambda asked, found: any(_same(found, each) for each in asked.value),
    "contains": _contains,
    "exists": lambda asked, found: (found is not MISSING) is asked.value,
    "empty": _empty,
}
"""What may be asked: ``exists`` and ``empty`` take true or false, ``in`` a list."""
