"""What has become of a workflow: a frozen picture of what is stored of it at one moment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fw_core.attempt.failure import TaskError
from fw_core.workflow.plan import Plan


class State(StrEnum):
    """What a step, or a whole workflow, is at."""

    WAITING = "waiting"
    """It has not begun."""
    RUNNING = "running"
    RETRYING = "retrying"
    """An attempt failed, and the next one is to come. No workflow is in this state."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether it has ended; what has failed may be continued."""
        return self in _FINAL


_FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class StepState:
    """One step of a workflow that has begun.

    Attributes:
        path: Its place in the plan, numbers of items included: ``steps[1].each[7]``.
        task_id: The id of its call.
        task: The name of its task.
        state: What it is at.
        attempts: How often it has been tried; 0: it was never run, because one before it failed.
        started_at: When its latest attempt began.
        finished_at: When it ended.
        error: Why it failed, or why its latest attempt did.
        worker: Where it ran.
    """

    path: str
    task_id: str
    task: str
    state: State
    attempts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: TaskError | None = None
    worker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowState:
    """One workflow.

    Attributes:
        id: Its id.
        plan: What it runs.
        state: What it is at.
        created_at: When it was started.
        finished_at: When it ended.
        steps: Those that have begun, or were given up, by their places in the plan.
        error: Why it failed: the error of the step that failed first.
        failed_step: The path of that step.
    """

    id: str
    plan: Plan
    state: State
    created_at: datetime
    finished_at: datetime | None = None
    steps: tuple[StepState, ...] = ()
    error: TaskError | None = None
    failed_step: str | None = None


_NUMBER = re.compile(r"\beach\[\d+\]")
_PARTS = re.compile(r"\d+|\D+")


def place_in_plan(path: str) -> str:
    """The place in the plan of a step that was run: of all items of a list it is one.

    >>> place_in_plan("steps[1].each[7].steps[0]")
    'steps[1].each.steps[0]'
    """
    return _NUMBER.sub("each", path)


def in_order(path: str) -> list[tuple[bool, int, str]]:
    """A key by which places are sorted as people count: the tenth after the ninth.

    >>> sorted(["steps[10]", "steps[9]"], key=in_order)
    ['steps[9]', 'steps[10]']
    """
    parts = _PARTS.findall(path)
    return [(True, int(part), "") if part.isdigit() else (False, 0, part) for part in parts]
