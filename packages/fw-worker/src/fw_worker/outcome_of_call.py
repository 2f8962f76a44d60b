"""What became of a call, as facts that can be printed."""

from __future__ import annotations

from typing import Any

from fw_core.broker.app import App, results_url
from fw_core.urls import safe_url


def outcome_of_call(app: App, task_id: str) -> dict[str, Any]:
    """All that is stored of a call; one that nobody knows has the state PENDING.

    Raises:
        ResultStoreError: the result database cannot be read.
    """
    row = app.backend.load([task_id]).get(task_id)
    if row is None:
        return {
            "id": task_id,
            "task": None,
            "state": "PENDING",
            "looked_in": safe_url(results_url(app.settings)),
        }
    meta = app.backend.get_task_meta(task_id)
    error = row.error
    return {
        "id": task_id,
        "task": row.task_name,
        "state": row.state,
        "attempts": row.attempts,
        "result": None if error else meta["result"],
        "error": None if error is None else {"type": error.type, "message": error.message},
        "traceback": error.traceback if error else None,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "worker": row.worker,
    }
