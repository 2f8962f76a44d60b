"""A workflow drawn for people: its plan as a tree, with the states of its steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fw_core.call.plain import shortened
from fw_core.workflow import plan as plans
from fw_core.workflow.plan import Choose, Each, Parallel, Plan, Step, join_path, parts_of, steps_in
from fw_core.workflow.state import State, StepState, WorkflowState, place_in_plan

_MARKS = {
    State.WAITING: "·",
    State.RUNNING: "▶",
    State.RETRYING: "↻",
    State.SUCCEEDED: "✓",
    State.FAILED: "✗",
    State.CANCELLED: "⊘",
}
_MOST_ITEMS = 5
"""Items of a list that are named, of those that did not go well."""

Places = Mapping[str, Sequence[StepState]]
"""The steps by their places in the plan; of all items of a list the place is one."""


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    below: tuple[_Line, ...] = ()


def as_text(workflow: WorkflowState, *, width: int = 100, now: datetime) -> str:
    """The plan as a tree, a line for each step with its state, place, attempts and error.

    Args:
        workflow: The workflow.
        width: Characters of a line at most.
        now: The time, to say how long something has been running.
    """
    lines = [*_head(workflow, now), *_drawn(_lines(workflow.plan, "", places(workflow), now))]
    return "\n".join(shortened(line, max(width, 20)) for line in lines)


def progress(workflow: WorkflowState, *, width: int = 40) -> str:
    """A bar of the steps that have ended, of those that are known.

    How many items a list has is known when they begin.
    """
    known = places(workflow)
    total = sum(max(1, len(known.get(place, ()))) for place, _ in steps_in(workflow.plan))
    counts = Counter(_state(step) for steps in known.values() for step in steps)
    done = counts.get(State.SUCCEEDED, 0)
    if workflow.state is State.SUCCEEDED:
        total = done  # the branches that were not chosen are not to come
    full = width * done // total if total else width
    others = [f"{counts[state]} {state}" for state in _NOT_WELL if state in counts]
    said = ", ".join([f"{done} of {total} steps", *others])
    return f"[{'█' * full}{'·' * (width - full)}] {said}"


_NOT_WELL = (State.RUNNING, State.RETRYING, State.FAILED, State.CANCELLED)


def places(workflow: WorkflowState) -> Places:
    """The steps of a workflow by their places in its plan."""
    found: dict[str, list[StepState]] = {}
    known = {place for place, _ in steps_in(workflow.plan)}
    for step in workflow.steps:
        place = place_in_plan(step.path)
        if place in known:
            found.setdefault(place, []).append(step)
    return found


def state_at(steps: Sequence[StepState]) -> State:
    """What a place of the plan is at: that of its item which needs most attention."""
    states = {_state(step) for step in steps}
    for state in (State.FAILED, State.RETRYING, State.RUNNING, State.CANCELLED, State.SUCCEEDED):
        if state in states:
            return state
    return State.WAITING


def asked(choice: Choose) -> str:
    """The condition of a choice in words.

    >>> asked(Choose({"field": "n", "at_least": 3}, "a"))
    'if n at_least 3'
    """
    condition = choice.condition
    said = f"if {condition.field or 'the result'} {condition.comparison} {condition.value!r}"
    return "".join(c if c.isprintable() else "?" for c in said)


def name_of(step: Step) -> str:
    """What a step is called, on one line."""
    return "".join(c if c.isprintable() else "?" for c in step.name or step.task)


def _state(step: StepState) -> State:
    """A step that was given up with another one has not failed itself."""
    return State.WAITING if step.state is State.FAILED and not step.attempts else step.state


def _head(workflow: WorkflowState, now: datetime) -> Iterator[str]:
    began = workflow.created_at
    took = _seconds(began, workflow.finished_at or now)
    yield (
        f"{workflow.id}  {_MARKS[workflow.state]} {workflow.state}"
        f"  started {began:%Y-%m-%d %H:%M:%S} UTC, {took}"
    )
    if workflow.state is State.FAILED:
        where = f" at {workflow.failed_step}" if workflow.failed_step else ""
        yield f"failed{where}: {_one_line(workflow.error)}"
        yield f"fw workflow retry {workflow.id} goes on from there, once its cause is mended."


def _lines(part: Plan, path: str, known: Places, now: datetime) -> tuple[_Line, ...]:
    inner = [(place, _lines(each, join_path(path, place), known, now)) for place, each in
             parts_of(part)]  # fmt: skip
    match part:
        case Step():
            return (_step(part, path, known.get(path, ()), now),)
        case plans.Sequence():
            return tuple(line for _, lines in inner for line in lines)
        case Parallel():
            return (_Line("side by side", tuple(_as_one(lines) for _, lines in inner)),)
        case Each():
            return (_Line("for each item", inner[0][1]),)
        case Choose():
            return (_Line(asked(part), tuple(_Line(side, lines) for side, lines in inner)),)


def _as_one(lines: tuple[_Line, ...]) -> _Line:
    return lines[0] if len(lines) == 1 else _Line("one after the other", lines)


def _step(step: Step, path: str, steps: Sequence[StepState], now: datetime) -> _Line:
    name = f"{name_of(step)}  {path}" if path else name_of(step)
    if len(steps) <= 1 and "each" not in path.split("."):
        return _Line(_said(name, steps[0], now) if steps else f"· {name}  waiting")
    counts = Counter(map(_state, steps))
    told = [f"{counts.get(State.SUCCEEDED, 0)} of {len(steps)} succeeded"]
    told += [f"{counts[state]} {state}" for state in _NOT_WELL if state in counts]
    bad = [each for each in steps if _state(each) in (State.FAILED, State.RETRYING)]
    shown = [_Line(_said(each.path, each, now)) for each in bad[:_MOST_ITEMS]]
    if len(bad) > _MOST_ITEMS:
        shown.append(_Line(f"… and {len(bad) - _MOST_ITEMS} more"))
    said = ", ".join(told) if steps else str(State.WAITING)
    return _Line(f"{_MARKS[state_at(steps)]} {name}  {said}", tuple(shown))


def _said(name: str, step: StepState, now: datetime) -> str:
    state = _state(step)
    said = "not run" if state is not step.state else str(state)
    if state is not State.WAITING and step.started_at is not None:
        said += f" {_seconds(step.started_at, step.finished_at or now)}"
    if step.attempts > 1:
        said += f", {step.attempts} attempts"
    if step.error is not None and state in (State.FAILED, State.RETRYING):
        said += f": {_one_line(step.error)}"
    return f"{_MARKS[state]} {name}  {said}"


def _drawn(lines: Sequence[_Line], before: str = "") -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        is_last = number == len(lines)
        yield f"{before}{'└─ ' if is_last else '├─ '}{line.text}"
        yield from _drawn(line.below, before + ("   " if is_last else "│  "))


def _seconds(began: datetime, ended: datetime) -> str:
    seconds = max(0.0, (ended - began).total_seconds())
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s"


def _one_line(error: object) -> str:
    return "it is not known why" if error is None else " ".join(str(error).split())
