"""What is done when an attempt has ended: first what is kept, then what follows from it."""

from __future__ import annotations

from typing import Any

from fw_core.attempt.failure import AttemptFailed
from fw_core.broker.app import App


def settle_failure(app: App, task_id: str, failed: AttemptFailed, request: Any) -> None:
    """Store that a call failed, and tell whoever waits for it: its join, its error callbacks.

    To do so twice does no harm.

    Args:
        app: The app.
        task_id: The call.
        failed: Why.
        request: Celery's context of the message.

    Raises:
        ResultStoreError: the database did not take it.
        SendError: an error callback, or what waited for the join, could not be sent now.
    """
    backend: Any = app.backend
    backend.mark_as_failure(task_id, failed, failed.error.traceback, request=request)
