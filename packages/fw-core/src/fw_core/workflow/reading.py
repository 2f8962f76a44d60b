"""Reads a plan from plain data, as JSON and YAML hold it, and writes one.

::

    "resize"                                              a step
    ["download", "resize"]                                one after the other
    {"task": "resize", "args": {"width": 640}}            a step with more
    {"parallel": ["shout", "count"]}                      side by side
    {"each": "resize"}                                    once for each item of a list
    {"if": {"field": "n", "at_least": 3}, "then": …, "else": …}

Which of them a mapping is, its keys say. All mistakes of a plan are found in one reading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fw_core.call.plain import show
from fw_core.errors import PlanError, Problem
from fw_core.errors.near_names import did_you_mean, nearest
from fw_core.workflow.condition import COMPARISONS, Condition
from fw_core.workflow.plan import (
    MOST_BRANCHES,
    MOST_DEPTH,
    MOST_STEPS,
    PLANS,
    Choose,
    Each,
    Parallel,
    Plan,
    Sequence,
    Step,
    join_path,
)

_STEP_KEYS = ("task", "args", "queue", "retries", "name")
_KINDS = {
    "task": _STEP_KEYS,
    "parallel": ("parallel",),
    "each": ("each",),
    "if": ("if", "then", "else"),
}
EXAMPLE = '["download", {"parallel": ["resize", "count"]}]'


def read_plan(data: Any) -> Plan:
    """The plan that plain data says.

    Args:
        data: A name, a list or a mapping, as above; parts may be plans or tasks already.

    Raises:
        PlanError: it says none; each mistake is named with its place.
    """
    reader = _Reader()
    plan = reader.read(data, "")
    if reader.problems or plan is None:
        raise PlanError(reader.problems)
    return plan


def read_condition(data: Any) -> Condition:
    """The condition that plain data says.

    Raises:
        PlanError: it says none.
    """
    reader = _Reader()
    condition = reader.condition(data, "if")
    if reader.problems or condition is None:
        raise PlanError(reader.problems)
    return condition


def plan_to_data(plan: Plan) -> Any:
    """The plain data of a plan; :func:`read_plan` makes an equal one of it.

    >>> plan_to_data(Sequence("clean", Parallel("shout", Step("count", args={"by": 2}))))
    ['clean', {'parallel': ['shout', {'task': 'count', 'args': {'by': 2}}]}]
    """
    match plan:
        case Step():
            more = {key: getattr(plan, key) for key in _STEP_KEYS[1:]}
            given = {key: value for key, value in more.items() if value not in (None, {})}
            return {"task": plan.task, **given} if given else plan.task
        case Sequence(steps=steps):
            return [plan_to_data(step) for step in steps]
        case Parallel(branches=branches):
            return {"parallel": [plan_to_data(branch) for branch in branches]}
        case Each(body=body):
            return {"each": plan_to_data(body)}
        case Choose(condition=asked, then=then, otherwise=otherwise):
            data = {"if": condition_to_data(asked), "then": plan_to_data(then)}
            return data if otherwise is None else {**data, "else": plan_to_data(otherwise)}


def condition_to_data(asked: Condition) -> dict[str, Any]:
    """The plain data of a condition."""
    field = {"field": asked.field} if asked.field else {}
    return {**field, asked.comparison: asked.value}


class _Reader:
    """One reading, which goes on after a mistake."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._inside: list[int] = []  # what is being read, from the outside in
        self._steps = 0

    def read(self, data: Any, path: str) -> Plan | None:
        """The plan that data says; None after a mistake, which is noted."""
        try:
            return self._read(data, path)
        except _Mistake as mistake:
            self.problems.append(mistake.problem)
            return None

    def condition(self, data: Any, path: str) -> Condition | None:
        """The condition that data says; None after a mistake, which is noted."""
        try:
            return self._condition(data, path)
        except _Mistake as mistake:
            self.problems.append(mistake.problem)
            return None

    def _read(self, data: Any, path: str) -> Plan | None:
        if isinstance(data, PLANS):
            return data
        if hasattr(data, "spec") and hasattr(data, "delay"):
            return Step(data)
        if isinstance(data, str):
            return self._name(data, path) if self._count(path) else None
        if not isinstance(data, (list, tuple, Mapping)):
            raise _mistake(path, f"{show(data)} is no step", EXAMPLE)
        if id(data) in self._inside:
            raise _mistake(path, "it contains itself, and would never end", "write its steps out.")
        if len(self._inside) >= MOST_DEPTH:
            raise _mistake(
                path, f"it is nested deeper than {MOST_DEPTH}", "give parts of it to one task each."
            )
        self._inside.append(id(data))
        try:
            if isinstance(data, Mapping):
                return self._mapping(data, path)
            return self._list(data, path, "steps", Sequence)
        finally:
            self._inside.pop()

    def _count(self, path: str) -> bool:
        self._steps += 1
        if self._steps == MOST_STEPS + 1:
            self._note(
                path, f"there are more than {MOST_STEPS:,} steps", '{"each": ...} over a list.'
            )
        return self._steps <= MOST_STEPS

    def _name(self, name: Any, path: str) -> Step:
        if isinstance(name, str) and name.strip():
            return Step(name)
        raise _mistake(path, f"{show(name)} is no task's name", '"resize"')

    def _list(self, data: Any, path: str, place: str, kind: Callable[..., Plan]) -> Plan | None:
        if not isinstance(data, (list, tuple)) or not data:
            raise _mistake(path, f"{place} must be a list with something in it", EXAMPLE)
        if len(data) > MOST_BRANCHES:
            raise _mistake(
                path,
                f"{place} has {len(data):,} entries, more than {MOST_BRANCHES:,}",
                '{"each": ...} over parts of the list.',
            )
        plans: list[Plan] = []
        for number, each in enumerate(data):
            if self._steps > MOST_STEPS:
                return None
            plan = self.read(each, join_path(path, f"{place}[{number}]"))
            if plan is not None:
                plans.append(plan)
        return kind(*plans) if len(plans) == len(data) else None

    def _mapping(self, data: Mapping[Any, Any], path: str) -> Plan | None:
        kinds = [kind for kind in _KINDS if kind in data]
        if len(kinds) != 1:
            found = " and ".join(map(repr, kinds)) or "none"
            matches = [] if kinds else nearest(next(iter(data), None), _KINDS)
            raise _mistake(
                path,
                f"a mapping has one of 'task', 'parallel', 'each' and 'if'; this one has {found}."
                f"{did_you_mean(matches)}".rstrip("."),
                '{"task": "resize", "args": {"width": 640}}',
            )
        [kind] = kinds
        before = len(self.problems)
        for key in data:
            if key not in _KINDS[kind]:
                matches = nearest(key, _KINDS[kind])
                keys = ", ".join(_KINDS[kind])
                self._note(
                    path,
                    f"{show(key)} is no key of it; there are {keys}.{did_you_mean(matches)}".rstrip(
                        "."
                    ),
                    f"use {matches[0]!r}." if matches else f"leave {show(key)} out.",
                )
        plan = _READERS[kind](self, data, path)
        return plan if len(self.problems) == before else None

    def _step(self, data: Mapping[Any, Any], path: str) -> Plan | None:
        if not self._count(path):
            return None
        task = self._name(data["task"], path).task
        args, retries = data.get("args"), data.get("retries")
        if args is not None and not (isinstance(args, Mapping) and all(map(_is_text, args))):
            self._note(path, f"args must be a mapping of names, got {show(args)}",
                          '"args": {"width": 640}')  # fmt: skip
            args = None
        if retries is not None and not (type(retries) is int and retries >= 0):
            self._note(path, f"retries must be a whole number from 0, got {show(retries)}",
                          '"retries": 3')  # fmt: skip
        for key in ("queue", "name"):
            if data.get(key) is not None and not (_is_text(data[key]) and data[key]):
                self._note(path, f"{key} must be a text, got {show(data[key])}",
                              f'"{key}": "bulk"')  # fmt: skip
        more = {key: data.get(key) for key in ("queue", "retries", "name")}
        return Step(task, args, **more)

    def _parallel(self, data: Mapping[Any, Any], path: str) -> Plan | None:
        return self._list(data["parallel"], path, "parallel", Parallel)

    def _each(self, data: Mapping[Any, Any], path: str) -> Plan | None:
        body = self.read(data["each"], join_path(path, "each"))
        return None if body is None else Each(body)

    def _choose(self, data: Mapping[Any, Any], path: str) -> Plan | None:
        condition = self.condition(data["if"], join_path(path, "if"))
        if "then" not in data:
            raise _mistake(path, "it does not say what then", '"then": "resize"')
        then = self.read(data["then"], join_path(path, "then"))
        otherwise = None
        if data.get("else") is not None:
            otherwise = self.read(data["else"], join_path(path, "else"))
        if condition is None or then is None:
            return None
        return Choose(condition, then, otherwise)

    def _condition(self, data: Any, path: str) -> Condition:
        example = '{"field": "status", "equals": "paid"}'
        if not isinstance(data, Mapping):
            raise _mistake(path, f"{show(data)} is no condition", example)
        asked = [key for key in data if key != "field"]
        field = data.get("field", "")
        if not _is_text(field):
            raise _mistake(path, f"field must be a text, got {show(field)}", example)
        if len(asked) != 1 or asked[0] not in COMPARISONS:
            unknown = [key for key in asked if key not in COMPARISONS]
            matches = nearest(unknown[0], COMPARISONS) if unknown else []
            found = ", ".join(map(show, asked)) or "none"
            raise _mistake(
                path,
                f"a condition asks one of {', '.join(COMPARISONS)}; this one {found}."
                f"{did_you_mean(matches)}".rstrip("."),
                example,
            )
        [comparison] = asked
        value = data[comparison]
        wanted = _WANTED.get(comparison)
        if wanted is not None and not isinstance(value, wanted):
            kind = "true or false" if wanted is bool else "a list"
            raise _mistake(path, f"{comparison} takes {kind}, got {show(value)}", example)
        return Condition(comparison, value, field)

    def _note(self, path: str, what: str, fix: str) -> None:
        """Note a mistake that hides no other one."""
        self.problems.append(Problem(path, what, fix))


class _Mistake(Exception):  # noqa: N818 - it ends the reading of one part, and is noted
    def __init__(self, problem: Problem) -> None:
        self.problem = problem


def _mistake(path: str, what: str, fix: str) -> _Mistake:
    return _Mistake(Problem(path, what, fix))


_READERS: dict[str, Callable[[_Reader, Mapping[Any, Any], str], Plan | None]] = {
    "task": _Reader._step,
    "parallel": _Reader._parallel,
    "each": _Reader._each,
    "if": _Reader._choose,
}
_WANTED: dict[str, type] = {"exists": bool, "empty": bool, "in": list}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
