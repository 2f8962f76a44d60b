"""What is kept of workflows: written by who starts, cancels or continues one, read by anybody."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fw_core.errors import UnknownWorkflow
from fw_core.results.rows import FINAL, ResultRow
from fw_core.workflow import own
from fw_core.workflow.plan import Plan
from fw_core.workflow.reading import plan_to_data, read_plan
from fw_core.workflow.state import State, StepState, WorkflowState, in_order

if TYPE_CHECKING:
    from fw_core.broker.app import App
    from fw_core.workflow.state_rows import WorkflowRow

_STATES = {
    "STARTED": State.RUNNING,
    "RETRY": State.RETRYING,
    "SUCCESS": State.SUCCEEDED,
    "FAILURE": State.FAILED,
    "REVOKED": State.CANCELLED,
}


def note(app: App, workflow_id: str, plan: Plan, data: Any) -> bool:
    """Note a workflow before anything of it is sent.

    Returns:
        Whether it is new: False if there is one with this id.

    Raises:
        ResultStoreError: it could not be noted.
    """
    from fw_core.workflow import state_rows

    text, data_text, now = plan_text(plan), app.backend.encode(data), app.now()
    return bool(
        app.backend.write(
            lambda connection: state_rows.add(
                connection, workflow_id=workflow_id, plan=text, data=data_text, now=now
            )
        )
    )


def plan_text(plan: Plan) -> str:
    """A plan as it is kept: JSON."""
    return _json(plan_to_data(plan))


def mark_sent(app: App, workflow_id: str) -> None:
    """Note that a workflow's first steps are in their queues, so that nobody sends them again."""
    from fw_core.workflow import state_rows

    now = app.now()
    app.backend.write(lambda connection: state_rows.mark_sent(connection, workflow_id, now=now))


def was_sent(app: App, workflow_id: str) -> bool:
    """Whether a workflow's first steps are known to have been sent."""
    from fw_core.workflow import state_rows

    row = app.backend.read(lambda connection: state_rows.load(connection, workflow_id))
    return row is not None and (row.sent_at is not None or row.has_begun)


def forget(app: App, workflow_id: str) -> None:
    """Forget a workflow of which nothing was sent."""
    from fw_core.workflow import state_rows

    app.backend.write(lambda connection: state_rows.forget(connection, workflow_id))


def state_of(app: App, workflow_id: str) -> WorkflowState:
    """What has become of a workflow, with its steps.

    Raises:
        UnknownWorkflow: none has this id.
        ResultStoreError: the database cannot be read.
    """
    from fw_core.workflow import state_rows

    row = app.backend.read(lambda connection: state_rows.load(connection, workflow_id))
    if row is None:
        raise UnknownWorkflow(workflow_id=workflow_id)
    found = app.backend.read(lambda connection: state_rows.steps(connection, workflow_id))
    return workflow_state(row, found)


def newest(app: App, *, most: int) -> list[WorkflowState]:
    """The workflows that were started last, the latest first; without their steps.

    Raises:
        ResultStoreError: the database cannot be read.
    """
    from fw_core.workflow import state_rows

    rows = app.backend.read(lambda connection: state_rows.newest(connection, most=most))
    return [workflow_state(row, ()) for row in rows]


def workflow_state(row: WorkflowRow, found: Iterable[ResultRow]) -> WorkflowState:
    """The state of a workflow, by its row and those of its steps."""
    steps = tuple(sorted(map(step_state, found), key=lambda step: in_order(step.path)))
    state, last = _state(row), row.last
    failed = [step for step in steps if step.state is State.FAILED and step.attempts]
    first = min(failed, key=lambda step: step.finished_at or row.created_at, default=None)
    ended_at = None if last is None else last.finished_at
    if state is State.CANCELLED:
        ended_at = row.cancelled_at
    return WorkflowState(
        id=row.workflow_id,
        plan=read_plan(row.plan),
        state=state,
        created_at=row.created_at,
        finished_at=ended_at if state.is_final else None,
        steps=steps,
        error=last.error if last is not None and state is State.FAILED else None,
        failed_step=first.path if first is not None and state is State.FAILED else None,
    )


def step_state(row: ResultRow) -> StepState:
    """The state of a step, by the row of its result."""
    has_ended = row.state in FINAL
    return StepState(
        path=row.step or "",
        task_id=row.task_id,
        task=row.task_name or "",
        state=_STATES.get(row.state, State.WAITING),
        attempts=row.attempts,
        started_at=row.started_at,
        finished_at=row.finished_at if has_ended else None,
        error=row.error,
        worker=row.worker,
    )


def _state(row: WorkflowRow) -> State:
    ended = None if row.last is None else _STATES.get(row.last.state)
    if ended is State.SUCCEEDED:
        return ended
    if row.cancelled_at is not None:
        return State.CANCELLED
    if ended is not None and ended.is_final:
        return ended
    return State.RUNNING if row.has_begun else State.WAITING


def is_internal(step: StepState) -> bool:
    """Whether a step is the framework's own, which no plan names."""
    return step.task.startswith(own.PREFIX)


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
