"""Plans: which tasks run, in which order, and what each of them gets.

The data flow is the same everywhere. The first step gets the workflow's data, each next one the
result of the one before as its first argument. A parallel plan gives the same value to each of its
branches and joins their results in a list, in the order of the branches. ``Each`` runs its plan
once for each item of a list and joins the results in the same way. ``Choose`` gives the value to
one of two plans; without one for the other case, the value passes through. What a step has in
``args`` is given by name, beside that.

>>> Sequence("clean", Parallel("shout", "count"), Step("report", args={"title": "Words"}))
... # doctest: +NORMALIZE_WHITESPACE
Sequence(Step('clean'), Parallel(Step('shout'), Step('count')),
         Step('report', args={'title': 'Words'}))
"""

from __future__ import annotations

from collections import abc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias

from fw_core.workflow.condition import Condition

if TYPE_CHECKING:
    from fw_core.declare.handle import TaskHandle

MOST_DEPTH = 20
"""How deep plans may be nested."""

MOST_BRANCHES = 10_000
"""Branches of one join, and items of one list that ``Each`` runs over."""

MOST_STEPS = 20_000
"""Steps of a whole plan, as it is written."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Step:
    """One task.

    Attributes:
        task: Its name.
        args: Named arguments beside the result of the step before; plain JSON values.
        queue: Where it waits instead of the task's own queue.
        retries: How often it is retried instead of what the task says.
        name: What it is called in the workflow's state; else its place in the plan.
    """

    task: str
    args: Mapping[str, Any]
    queue: str | None
    retries: int | None
    name: str | None

    def __init__(
        self,
        task: str | TaskHandle[..., Any],
        args: Mapping[str, Any] | None = None,
        *,
        queue: str | None = None,
        retries: int | None = None,
        name: str | None = None,
    ) -> None:
        known = task if isinstance(task, str) else getattr(task, "name", task)
        _set(self, task=known, args=dict(args or {}), queue=queue, retries=retries, name=name)

    def __repr__(self) -> str:
        more = {f.name: getattr(self, f.name) for f in fields(self)[1:] if getattr(self, f.name)}
        return f"Step({', '.join([repr(self.task), *(f'{k}={v!r}' for k, v in more.items())])})"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Sequence:
    """One plan after the other, each with the result of the one before."""

    steps: tuple[Plan, ...]

    def __init__(self, *steps: Written) -> None:
        _set(self, steps=tuple(map(plan_of, steps)))

    def __repr__(self) -> str:
        return f"Sequence({', '.join(map(repr, self.steps))})"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Parallel:
    """Plans side by side, with the same value each; the next step gets the list of results."""

    branches: tuple[Plan, ...]

    def __init__(self, *branches: Written) -> None:
        _set(self, branches=tuple(map(plan_of, branches)))

    def __repr__(self) -> str:
        return f"Parallel({', '.join(map(repr, self.branches))})"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Each:
    """A plan for each item of a list, side by side; the next step gets the list of results."""

    body: Plan

    def __init__(self, body: Written) -> None:
        _set(self, body=plan_of(body))

    def __repr__(self) -> str:
        return f"Each({self.body!r})"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Choose:
    """One plan or the other, by the result of the step before.

    Attributes:
        condition: What is asked of the result.
        then: What runs if it holds.
        otherwise: What runs if it does not; None: nothing, and the result passes through.
    """

    condition: Condition
    then: Plan
    otherwise: Plan | None

    def __init__(
        self,
        condition: Condition | Mapping[str, Any],
        then: Written,
        otherwise: Written | None = None,
    ) -> None:
        if not isinstance(condition, Condition):
            from fw_core.workflow.reading import read_condition

            condition = read_condition(condition)
        other = None if otherwise is None else plan_of(otherwise)
        _set(self, condition=condition, then=plan_of(then), otherwise=other)

    def __repr__(self) -> str:
        other = "" if self.otherwise is None else f", {self.otherwise!r}"
        return f"Choose({self.condition!r}, {self.then!r}{other})"


Plan: TypeAlias = Step | Sequence | Parallel | Each | Choose
"""A plan, or a part of one."""

Written: TypeAlias = "Plan | TaskHandle[..., Any] | str | abc.Sequence[Written] | Mapping[str, Any]"
"""A plan as it may be written: a value, a task or its name, or what JSON says of a plan."""

PLANS = (Step, Sequence, Parallel, Each, Choose)


def plan_of(written: Any) -> Plan:
    """The plan that is meant.

    Raises:
        PlanError: it is none.
    """
    if isinstance(written, PLANS):
        return written
    if hasattr(written, "spec") and hasattr(written, "delay"):  # a task
        return Step(written)
    from fw_core.workflow.reading import read_plan

    return read_plan(written)


def parts_of(plan: Plan) -> list[tuple[str, Plan]]:
    """The plans inside a plan, each with the name of its place.

    >>> parts_of(Parallel("shout", "count"))
    [('parallel[0]', Step('shout')), ('parallel[1]', Step('count'))]
    """
    match plan:
        case Sequence(steps=steps):
            return [(f"steps[{i}]", step) for i, step in enumerate(steps)]
        case Parallel(branches=branches):
            return [(f"parallel[{i}]", branch) for i, branch in enumerate(branches)]
        case Each(body=body):
            return [("each", body)]
        case Choose(then=then, otherwise=otherwise):
            return [("then", then)] + ([] if otherwise is None else [("else", otherwise)])
        case _:
            return []


def steps_in(plan: Plan, path: str = "") -> Iterator[tuple[str, Step]]:
    """Every step of a plan with its path, in the order in which they are written.

    >>> list(steps_in(Sequence("clean", Parallel("shout", "count"))))
    ... # doctest: +NORMALIZE_WHITESPACE
    [('steps[0]', Step('clean')), ('steps[1].parallel[0]', Step('shout')),
     ('steps[1].parallel[1]', Step('count'))]
    """
    waiting = [(path, plan)]
    while waiting:
        where, part = waiting.pop()
        if isinstance(part, Step):
            yield where, part
        inner = [(join_path(where, place), each) for place, each in parts_of(part)]
        waiting.extend(reversed(inner))


def join_path(path: str, place: str) -> str:
    """A place inside a place: ``steps[2].parallel[0]``."""
    return f"{path}.{place}" if path and place else path or place


def _set(value: Any, **attributes: Any) -> None:
    for name, attribute in attributes.items():
        object.__setattr__(value, name, attribute)
