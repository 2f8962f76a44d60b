"""Tells whoever asked for it what became of a message that was to start a workflow."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from fw_core.broker.app import App
from fw_core.broker.publish import Letter, Unconfirmed
from fw_core.errors import FrameworkError
from fw_worker.raw import Raw

SECONDS = 2.0
"""How long a reply may take: whoever waits for it must not hold up others."""

_logger = logging.getLogger("fw.worker")


def started(workflow_id: str) -> dict[str, Any]:
    """What a good message is answered."""
    return {"id": workflow_id, "state": "started"}


def refused(workflow_id: str | None, error: Exception) -> dict[str, Any]:
    """What a bad message is answered."""
    if isinstance(error, FrameworkError):
        said, fix = error.what, error.fix
    else:
        said = f"{type(error).__name__}: {error}"
        fix = "see the worker's log, and its dead letter: fw dead list"
    return {"id": workflow_id, "state": "refused", "error": said, "fix": fix}


def reply(app: App, raw: Raw, answer: dict[str, Any]) -> None:
    """Send an answer to the queue that the message names, if it names one; never fails for that."""
    to = raw.properties.get("reply_to")
    if not to:
        return
    correlation_id = raw.properties.get("correlation_id")
    letter = Letter(
        queue=str(to),
        is_call=False,
        # Nobody waits where the queue is gone. RabbitMQ's direct reply-to is none, and is taken for
        # gone where a message is mandatory (rabbitmq.com/docs/direct-reply-to).
        may_be_lost=True,
        exchange="",  # AMQP 0-9-1, 3.1.3.1: every queue is bound there by its name
        wait_ms=None,
        body=json.dumps(answer).encode(),
        content_type="application/json",
        content_encoding="utf-8",
        headers={},
        properties={} if correlation_id is None else {"correlation_id": correlation_id},
    )
    try:
        with app.producer_or_acquire() as producer:
            app.amqp.post(producer, letter, deadline=time.monotonic() + SECONDS)
    except Unconfirmed as error:
        _logger.warning("The reply to %s could not be sent: %s", to, error.cause)
    except Exception:
        _logger.exception("The reply to %s could not be sent", to)
