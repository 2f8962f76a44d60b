"""A failed workflow goes on from the steps that failed: their dead letters are sent again."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from fw_core.broker.app import App
from fw_core.errors import (
    BrokerUnreachable,
    NothingToRetry,
    ReplayRunning,
    ReplayStopped,
    ResultStoreError,
    UnknownDeadLetter,
)
from fw_core.results import statements
from fw_core.workflow import history, state_rows
from fw_core.workflow.running import send_first
from fw_core.workflow.state import State, StepState, WorkflowState
from fw_worker.dead_letters import table
from fw_worker.dead_letters.choice import Choice, by_ids
from fw_worker.dead_letters.letter import DeadLetter
from fw_worker.dead_letters.sending_again import replay

_NOT_REPLAYED = (BrokerUnreachable, ReplayRunning, ReplayStopped)

_WHY_NOT = {
    State.SUCCEEDED: "it has succeeded",
    State.RUNNING: "it is running",
    State.CANCELLED: "it was cancelled",
}


def retry(app: App, workflow_id: str) -> list[str]:
    """Continue a workflow: what has succeeded is kept.

    One whose first steps were never known to be sent is started, with what it was given.

    Returns:
        The places of the steps that run again; empty: it begins with its first ones.

    Raises:
        UnknownWorkflow: none has this id.
        NothingToRetry: it has no failed step that can be run again.
        BrokerUnreachable, ReplayRunning, ReplayStopped, NotSent, MaybeSent: the broker did not
            take all of them.
        ResultStoreError: the database does not answer.
    """
    workflow = history.state_of(app, workflow_id)
    if workflow.state is State.WAITING:
        _start(app, workflow)
        return []
    if workflow.state is not State.FAILED:
        raise NothingToRetry(workflow_id=workflow_id, why=_WHY_NOT[workflow.state])
    failed = [step for step in workflow.steps if step.state is State.FAILED and step.attempts]
    letters = _letters(app, workflow_id, failed)
    again = {letter.task_id for letter in letters}
    with _as_running(app, workflow_id, [step for step in failed if step.task_id in again]):
        report = replay(app, Choice(ids=tuple(letter.dead_id for letter in letters)))
        if not report.sent:
            why = report.refused[0].why.rstrip(".") if report.refused else "it was sent again"
            raise NothingToRetry(workflow_id=workflow_id, why=why)
    return [step.path for step in failed if step.task_id in again]


def _start(app: App, workflow: WorkflowState) -> None:
    row = app.backend.read(lambda connection: state_rows.load(connection, workflow.id))
    if row.sent_at is not None:
        why = "its first steps wait for a worker"
        raise NothingToRetry(workflow_id=workflow.id, why=why)
    send_first(app, workflow.id, workflow.plan, row.data, check=True)
    history.mark_sent(app, workflow.id)


def _letters(app: App, workflow_id: str, failed: Sequence[StepState]) -> list[DeadLetter]:
    """The dead letters of failed steps that wait for a decision."""
    found: list[DeadLetter] = []
    for step in failed:
        try:
            letters = by_ids(app, [step.task_id])
        except UnknownDeadLetter:
            continue
        found += [letter for letter in letters if letter.state in table.WAITING]
    if not found:
        names = ", ".join(f"{step.task} at {step.path}" for step in failed[:3]) or "its failed step"
        why = (
            f"no dead letter of {names} is in the database; a running worker collects them, or "
            "`fw dead collect`"
        )
        raise NothingToRetry(workflow_id=workflow_id, why=why)
    return found


@contextmanager
def _as_running(
    app: App, workflow_id: str, steps: Sequence[StepState]
) -> Generator[None, None, None]:
    """Let a workflow be running again; if its steps are not sent, it has failed as before."""
    backend: Any = app.backend
    ids = [workflow_id, *(step.task_id for step in steps)]
    before = backend.load(ids)
    backend.write(lambda connection: state_rows.forget_never_run(connection, workflow_id))
    backend.write(
        lambda connection: state_rows.run_again(connection, [step.task_id for step in steps])
    )
    try:
        yield
    except (*_NOT_REPLAYED, NothingToRetry, ResultStoreError):
        for row in before.values():
            backend.write(lambda connection, row=row: statements.store(connection, row))
        raise
