"""From a message to a request: what comes too early is sent on, what has no shape is refused."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.strategy import default

from fw_core.attempt.failure import AttemptFailed
from fw_core.broker.amqp import BROKER_DEATH_HEADERS
from fw_core.broker.delays import STEP
from fw_core.broker.publish import Unconfirmed
from fw_core.broker.topology import DELIVERY_LIMIT
from fw_core.errors import DeliveredTooOften
from fw_worker.failures import store_failure

_logger = logging.getLogger("fw.worker")


def strategy(task: Any, app: Any, consumer: Any) -> Any:
    """Celery's strategy, behind a check of the message's time and shape."""
    task.pool = consumer.pool
    handle = default(task, app, consumer)

    def on_message(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> Any:
        due = due_of(message)
        if due is not None:
            if not app.is_local and (due - app.now()).total_seconds() > STEP:
                return send_on(app, message, due)
            message.headers["eta"] = None  # it is due: no timer has to hold it
        check_shape(message, body)
        if delivered(message) >= DELIVERY_LIMIT:
            return give_up(consumer, task, message)
        return handle(message, body, ack, reject, callbacks)

    return on_message


def delivered(message: Any) -> int:
    """How often the broker delivered the message before, as far as it counts."""
    count = message.headers.get("x-delivery-count")
    return count if isinstance(count, int) else 0


def give_up(consumer: Any, task: Any, message: Any) -> None:
    """End a message at its last delivery with a failure: the broker itself would leave none."""
    error = DeliveredTooOften(task=task.name, times=DELIVERY_LIMIT + 1)
    _logger.error("%s", error)
    store_failure(
        consumer.pool,
        str(message.headers.get("id")),
        AttemptFailed.of(error, reason="it was delivered too often"),
        {"id": message.headers.get("id"), "task": task.name, "delivery_info": {}},
        then=lambda: consumer.call_soon_ack(
            message.reject_log_error, _logger, consumer.connection_errors
        ),
    )


def send_on(app: Any, message: Any, due: datetime) -> None:
    """Send a message that came before its time through the next wait queue.

    A delay longer than the longest queue comes here on its way, and so does one that a foreign
    client sent with an ``eta``. It is acknowledged when its successor is confirmed.
    """
    headers = {k: v for k, v in message.headers.items() if k not in BROKER_DEATH_HEADERS}
    properties = dict(message.properties)
    for name in ("delivery_mode", "expiration", "application_headers", "headers"):
        properties.pop(name, None)
    letter = app.amqp.letter(
        queue=message.delivery_info["routing_key"],
        due=due,
        body=message.body,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        headers=headers,
        properties={k: v for k, v in properties.items() if k in _KEPT_PROPERTIES},
    )
    try:
        with app.producer_or_acquire() as producer:
            app.amqp.post(producer, letter)
    except Unconfirmed as error:
        _logger.error("%s stays in its queue: %s", headers.get("id"), error.cause)
        message.reject_log_error(_logger, (OSError,), requeue=True)
        return
    message.ack_log_error(_logger, (OSError,))


_KEPT_PROPERTIES = frozenset(
    {"correlation_id", "reply_to", "message_id", "priority", "timestamp", "type", "app_id"}
)


def due_of(message: Any) -> datetime | None:
    """When a message may start at the earliest.

    Raises:
        InvalidTaskError: its ``eta`` is no time.
    """
    eta = message.headers.get("eta")
    if not eta:
        return None
    try:
        due = datetime.fromisoformat(eta)
    except (TypeError, ValueError) as error:
        raise InvalidTaskError(f"invalid eta {eta!r}") from error
    return due if due.tzinfo else due.replace(tzinfo=UTC)


def check_shape(message: Any, body: Any) -> None:
    """Refuse what Celery would stumble over.

    Raises:
        InvalidTaskError: the payload is not ``[args, kwargs, embed]``.
    """
    payload = message.payload if body is None else body
    if isinstance(payload, dict):  # Celery's first protocol, or its hybrid
        args, kwargs = payload.get("args"), payload.get("kwargs")
        known = {**payload, **message.headers}
    elif isinstance(payload, (list, tuple)) and len(payload) == 3:
        args, kwargs = payload[:2]
        known = message.headers
    else:
        args, kwargs, known = None, None, {}
    if not (isinstance(args, (list, tuple)) and isinstance(kwargs, dict) and known.get("id")):
        raise InvalidTaskError("the payload is no [args, kwargs, embed], or it has no id")
