"""What commands and programs are told of a workflow."""

from __future__ import annotations

import json
from typing import Any

from fw_core.attempt.failure import TaskError
from fw_core.call.plain import shortened
from fw_core.workflow.history import is_internal
from fw_core.workflow.reading import plan_to_data
from fw_core.workflow.state import StepState, WorkflowState

_PLAN_SHOWN = 60


def brief(workflow: WorkflowState) -> dict[str, Any]:
    """A workflow in one line."""
    plan = json.dumps(plan_to_data(workflow.plan), ensure_ascii=False)
    took = None
    if workflow.finished_at is not None:
        took = f"{(workflow.finished_at - workflow.created_at).total_seconds():.1f} s"
    return {
        "id": workflow.id,
        "state": str(workflow.state),
        "started": workflow.created_at,
        "took": took,
        "plan": shortened(plan, _PLAN_SHOWN),
        "error": None if workflow.error is None else shortened(str(workflow.error), _PLAN_SHOWN),
    }


def everything(workflow: WorkflowState) -> dict[str, Any]:
    """All that is known of a workflow."""
    return {
        "id": workflow.id,
        "state": str(workflow.state),
        "created_at": workflow.created_at,
        "finished_at": workflow.finished_at,
        "plan": plan_to_data(workflow.plan),
        "failed_step": workflow.failed_step,
        "error": _error(workflow.error),
        "steps": [_step(step) for step in workflow.steps if not is_internal(step)],
    }


def _step(step: StepState) -> dict[str, Any]:
    return {
        "path": step.path,
        "task": step.task,
        "task_id": step.task_id,
        "state": str(step.state),
        "attempts": step.attempts,
        "started_at": step.started_at,
        "finished_at": step.finished_at,
        "worker": step.worker,
        "error": _error(step.error),
    }


def _error(error: TaskError | None) -> dict[str, str] | None:
    if error is None:
        return None
    return {"type": error.type, "message": error.message, "traceback": error.traceback}
