"""A workflow drawn for people: its plan as a tree, with the states of its steps."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fw_core.call.plain import shortened
from fw_core.workflow import plan as plans
from fw_core.workflow.plan import Choose, Each, Parallel, Plan, Step, join_path, parts_of
from fw_core.workflow.standing import (
    Refusal,
    Standing,
    asked,
    counted,
    name_of,
    one_line,
    refusals,
    standings,
    state_of_run,
    word_of_run,
)
from fw_core.workflow.state import State, StepState, WorkflowState

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


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    below: tuple[_Line, ...] = ()


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the lines of a plan are written from."""

    steps: Mapping[str, Standing]
    refused: Mapping[str, Sequence[Refusal]]
    now: datetime


def as_text(workflow: WorkflowState, *, width: int = 100, now: datetime) -> str:
    """The plan as a tree, a line for each step with its state, place, attempts and error.

    Args:
        workflow: The workflow.
        width: Characters of a line at most; its id, and the line that lets it go on, are whole.
        now: The time, to say how long something has been running.
    """
    refused = refusals(workflow)
    shown = _Shown(standings(workflow), refused, now)
    tree = _drawn(_lines(workflow.plan, "", shown))
    cut = [shortened(line, max(width, 20)) for line in (*_failure(workflow, refused), *tree)]
    if workflow.state is State.FAILED:
        command = f"fw workflow retry {shlex.quote(workflow.id)}"
        cut.insert(1, f"{command} goes on from there, once its cause is mended.")
    return "\n".join([_head(workflow, now), *cut])


def progress(workflow: WorkflowState, *, width: int = 40) -> str:
    """A bar of the steps that have succeeded, of those that are known.

    How many items a list has is known when they begin.

    Args:
        workflow: The workflow.
        width: Characters of the bar.
    """
    known = standings(workflow).values()
    words = [word_of_run(run) for standing in known for run in standing.runs]
    done = words.count(State.SUCCEEDED)
    total = sum(standing.expected for standing in known)
    if workflow.state is State.SUCCEEDED:  # what is no longer kept is not to come
        total = done
    full = width * done // total if total else width
    said = ", ".join([f"{done} of {total} steps", *counted(words)])
    return f"[{'█' * full}{'·' * (width - full)}] {said}"


def _head(workflow: WorkflowState, now: datetime) -> str:
    began = workflow.created_at.astimezone(UTC)
    took = _seconds(began, workflow.finished_at or now)
    return (
        f"{one_line(workflow.id)}  {_MARKS[workflow.state]} {workflow.state}"
        f"  started {began:%Y-%m-%d %H:%M:%S} UTC, {took}"
    )


def _failure(workflow: WorkflowState, refused: Mapping[str, Sequence[Refusal]]) -> list[str]:
    """Which step failed first, and why: its own error says more than that of what it took along."""
    if workflow.state is not State.FAILED:
        return []
    where = workflow.failed_step
    for each in (each for several in refused.values() for each in several):
        if each.landing == where:
            return [f"failed at {each.path or 'the plan'}: {one_line(each.reason)}"]
    own = (run for run in workflow.steps if run.path == where and run.attempts)
    first = next(own, None)
    error = first.error if first is not None and first.error is not None else workflow.error
    return [f"failed{f' at {where}' if where else ''}: {_why(error)}"]


def _lines(part: Plan, path: str, shown: _Shown) -> tuple[_Line, ...]:
    inner = [(place, _lines(each, join_path(path, place), shown)) for place, each in
             parts_of(part)]  # fmt: skip
    match part:
        case Step():
            return (_step(part, path, shown),)
        case plans.Sequence():
            return tuple(line for _, lines in inner for line in lines)
        case Parallel():
            return (_Line("side by side", tuple(_as_one(lines) for _, lines in inner)),)
        case Each():
            return (_part("for each item", path, inner[0][1], shown),)
        case Choose():
            sides = tuple(_Line(side, lines) for side, lines in inner)
            return (_part(asked(part), path, sides, shown),)


def _as_one(lines: tuple[_Line, ...]) -> _Line:
    return lines[0] if len(lines) == 1 else _Line("one after the other", lines)


def _part(title: str, path: str, below: tuple[_Line, ...], shown: _Shown) -> _Line:
    """A part with what is in it; and if it could not go on, why not."""
    refused = shown.refused.get(path, ())
    said = [f"failed: {one_line(each.reason)}" for each in refused]
    match refused:
        case []:
            return _Line(title, below)
        case [one] if one.path == path:
            return _Line(f"✗ {title}  {said[0]}", below)
        case _:
            items = [f"✗ {each.path}  {why}" for each, why in zip(refused, said, strict=True)]
            return _Line(f"✗ {title}  {len(refused)} failed", (*_some(items), *below))


def _step(step: Step, path: str, shown: _Shown) -> _Line:
    standing = shown.steps[path]
    name = f"{name_of(step)}  {path}" if path else name_of(step)
    if standing.runs and not standing.is_each:
        return _Line(_said(name, standing.runs[0], shown.now))
    bad = [run for run in standing.runs if state_of_run(run) in (State.FAILED, State.RETRYING)]
    items = _some([_said(run.path, run, shown.now) for run in bad])
    return _Line(f"{_MARKS[standing.state]} {name}  {standing.word}", items)


def _some(lines: Sequence[str]) -> tuple[_Line, ...]:
    more = len(lines) - _MOST_ITEMS
    rest = [f"… and {more} more"] if more > 0 else []
    return tuple(map(_Line, [*lines[:_MOST_ITEMS], *rest]))


def _said(name: str, step: StepState, now: datetime) -> str:
    state = state_of_run(step)
    said = word_of_run(step)
    if state is not State.WAITING and step.started_at is not None:
        said += f" {_seconds(step.started_at, step.finished_at or now)}"
    if step.attempts > 1:
        said += f", {step.attempts} attempts"
    if step.error is not None and state in (State.FAILED, State.RETRYING):
        said += f": {_why(step.error)}"
    return f"{_MARKS[state]} {name}  {said}"


def _drawn(lines: Iterable[_Line], before: str = "") -> Iterator[str]:
    several = tuple(lines)
    for number, line in enumerate(several, start=1):
        is_last = number == len(several)
        yield f"{before}{'└─ ' if is_last else '├─ '}{line.text}"
        yield from _drawn(line.below, before + ("   " if is_last else "│  "))


def _seconds(began: datetime, ended: datetime) -> str:
    seconds = max(0.0, (ended - began).total_seconds())
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s"


def _why(error: object) -> str:
    return "it is not known why" if error is None else one_line(error)
