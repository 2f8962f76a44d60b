"""Failures that only the main process knows of, stored without making it wait.

The pool stores them: the main process answers the broker and must not wait for a database, and a
thread of its own would be in the way of every fork.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery import current_app

from fw_core.attempt.failure import AttemptFailed

_logger = logging.getLogger("fw.worker")


def store_failure(
    pool: Any,
    task_id: str,
    failed: AttemptFailed,
    context: dict[str, Any],
    then: Callable[[], None],
) -> None:
    """Store that a task failed, in the pool; then, whether it could be stored or not, go on.

    Args:
        pool: The worker's pool.
        task_id: The id of the call.
        failed: Why.
        context: What Celery's request knows of it.
        then: Called in the main process afterwards: rejects the message to the dead letters.
    """

    def could_not(*_: Any, **__: Any) -> None:
        _logger.error("the failure of %s could not be stored; its message is kept", task_id)
        then()

    pool.apply_async(
        _store_in_pool,
        args=(task_id, failed, context),
        callback=lambda *_, **__: then(),
        error_callback=could_not,
    )


def _store_in_pool(task_id: str, failed: AttemptFailed, context: dict[str, Any]) -> None:
    from celery.app.task import Context

    backend: Any = current_app.backend
    backend.mark_as_failure(task_id, failed, request=Context(context))
