"""The result of a workflow, in the hands of whoever started it."""

from __future__ import annotations

from typing import Any

from fw_core.attempt.failure import TaskError
from fw_core.errors import TaskFailed, UnknownWorkflow, WorkflowCancelled
from fw_core.results.handle import TaskResult
from fw_core.workflow import history
from fw_core.workflow.state import State, StepState, WorkflowState


class WorkflowResult(TaskResult[Any]):
    """What became of a workflow: its id is that of its last call, whose result is the whole's."""

    def status(self) -> WorkflowState:
        """What it is at, with its steps.

        Raises:
            UnknownWorkflow: nothing is known of it any more.
            ResultStoreError: the database cannot be read.
        """
        return history.state_of(self._app, self.id)

    def steps(self) -> tuple[StepState, ...]:
        """The steps that have begun, or were given up, by their places in the plan.

        Raises:
            UnknownWorkflow, ResultStoreError: as :meth:`status`.
        """
        return tuple(step for step in self.status().steps if not history.is_internal(step))

    def cancel(self) -> bool:
        """Let none of its steps begin any more; what runs comes to its end.

        Returns:
            Whether that was new: False if it has ended, or has been cancelled.

        Raises:
            UnknownWorkflow: nothing is known of it.
            ResultStoreError: the database did not take it.
        """
        return cancel(self._app, self.id)

    def _value(self, meta: dict[str, Any]) -> Any:
        try:
            return super()._value(meta)
        except TaskFailed as failed:
            step = self._failed_step()
            if step is None:
                raise
            error = step.error or TaskError(failed.error_type, failed.error_message)
            raise TaskFailed(
                task=f"{step.task} at {step.path}" if step.path else step.task,
                task_id=step.task_id,
                error_type=error.type,
                error_message=error.message,
                traceback=error.traceback,
                attempts=step.attempts,
                fix=f"fw workflow retry {self.id} goes on from it, once its cause is mended.",
            ) from None

    def _failed_step(self) -> StepState | None:
        try:
            status = self.status()
        except UnknownWorkflow:
            return None
        found = [step for step in status.steps if step.path == status.failed_step]
        return found[0] if found else None


def cancel(app: Any, workflow_id: str) -> bool:
    """Cancel a workflow; as :meth:`WorkflowResult.cancel`."""
    from fw_core.workflow import state_rows

    status, now = history.state_of(app, workflow_id), app.now()
    if status.state in (State.SUCCEEDED, State.FAILED):
        return False
    is_new = app.backend.write(
        lambda connection: state_rows.cancel(connection, workflow_id, now=now)
    )
    # Again, if it is not new: whoever did that may have died here.
    error = WorkflowCancelled(workflow_id=workflow_id)
    app.backend.store_result(workflow_id, error, "REVOKED")
    return bool(is_new)
