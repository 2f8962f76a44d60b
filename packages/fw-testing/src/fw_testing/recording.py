"""From what the framework says as it goes on to what a test sees of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from kombu.utils.json import loads

from fw_core.attempt.outcome import GaveUp, RetryIn, Succeeded
from fw_core.broker.local import MessageView
from fw_testing.records import Message, Ran
from fw_worker.ended import Ended


def message_sent(
    task: str, body: Any, headers: Any, *, priority: Any, queue: str, now: datetime
) -> Message:
    """A call that was published just now, by what Celery's signal tells."""
    args, kwargs, _ = body
    eta = headers.get("eta")
    return Message(
        task=task,
        args=tuple(args),
        kwargs=dict(kwargs),
        id=headers["id"],
        queue=queue,
        attempt=1,
        delay=timedelta(0) if eta is None else datetime.fromisoformat(eta) - now,
        priority=priority,
    )


def message_waiting(view: MessageView, *, queue: str, now: datetime) -> Message:
    """A message that has not run, by what the broker has of it."""
    args, kwargs = _arguments(view.body)
    left = round(max(view.due - now.timestamp(), 0.0), 6)
    return Message(
        task=str(view.headers.get("task") or ""),
        args=args,
        kwargs=kwargs,
        id=str(view.headers.get("id") or ""),
        queue=queue,
        attempt=int(view.headers.get("retries") or 0) + 1,
        delay=timedelta(seconds=left) if view.state == "delayed" else timedelta(0),
        priority=view.properties.get("priority"),
    )


def attempt_ran(ended: Ended) -> Ran:
    """An attempt that has run."""
    outcome = ended.outcome
    match outcome:
        case Succeeded(value=value):
            kind, wait, error = "succeeded", None, None
        case RetryIn(stated=stated, error=reason, counts=counts):
            kind, wait, error, value = "retry" if counts else "later", stated, reason, None
        case GaveUp(error=reason):
            kind, wait, error, value = "failed", None, reason, None
    return Ran(
        task=ended.spec.name,
        id=ended.task_id,
        attempt=ended.tries.attempt,
        outcome=kind,  # type: ignore[arg-type]
        wait=wait,
        error=error,
        result=value,
    )


def _arguments(body: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
    try:
        args, kwargs, _ = loads(body)
        return tuple(args), dict(kwargs)
    except (ValueError, TypeError):
        return (), {}
