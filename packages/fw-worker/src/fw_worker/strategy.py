"""From a message to a request: what comes too early is sent on, what has no shape is refused.

A usual message becomes a request that does only what its usual end needs; every other one takes
Celery's own way, see :func:`is_usual`.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from celery import signals
from celery.exceptions import InvalidTaskError
from celery.worker import state
from celery.worker.request import create_request_cls
from celery.worker.strategy import default
from kombu.utils.imports import symbol_by_name

from fw_core.broker.publish import Letter, Unconfirmed
from fw_core.broker.topology import DELIVERY_LIMIT
from fw_core.headers import REDELIVERED
from fw_worker.again import is_in_hand
from fw_worker.ahead.brief import JSON, UTF8, check_message
from fw_worker.followed import is_followed
from fw_worker.raw import Raw

_logger = logging.getLogger("fw.worker")

EARLY = 0.01
"""Seconds by which a message may start before its time: clocks differ by more."""

OFTEN = DELIVERY_LIMIT // 2
"""Deliveries after which a message is sent anew, long before the broker throws it out."""


def strategy(task: Any, app: Any, consumer: Any) -> Any:
    """Celery's strategy, behind a check of the message's time and shape."""
    task.pool = consumer.pool
    by_celery = default(task, app, consumer)
    request_class = _request_class(task, app, consumer)

    def on_message(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> Any:
        headers = message.headers
        due = due_of(message)
        if due is not None:
            if not app.is_local and (due - app.now()).total_seconds() > EARLY:
                return send_on(app, message, due)
            headers["eta"] = None  # it is due: no timer has to hold it
        is_brief = body is None and is_usual(message, task, consumer)
        if not is_brief:
            check_message(message, body)
        if is_in_hand(message, ack, reject, consumer.connection_errors):
            return None
        if delivered(message) >= OFTEN and send_anew(app, message):
            return None
        if not is_brief:
            return by_celery(message, body, ack, reject, callbacks)
        request = request_class.of_usual(message, ack, reject)
        if request.revoked():
            return None
        if signals.task_received.receivers:
            signals.task_received.send(sender=consumer, request=request)
        state.task_reserved(request)
        for callback in callbacks or ():
            callback(request)
        return consumer.on_task_request(request)

    return on_message


def _request_class(task: Any, app: Any, consumer: Any) -> Any:
    """What Celery makes of the app's request for one task, and what each of them is made with."""
    eventer = consumer.event_dispatcher
    made = create_request_cls(
        symbol_by_name(task.Request), task, consumer.pool, consumer.hostname, eventer, app=app
    )
    made.consumer = consumer
    made.made_with = {
        "app": app,
        "hostname": consumer.hostname,
        "eventer": eventer,
        "task": task,
        "connection_errors": consumer.connection_errors,
    }
    return made


def is_usual(message: Any, task: Any, consumer: Any) -> bool:
    """Whether a message needs nothing of the first process but to be handed on.

    It is read by a process of the pool then, so there must be some; nobody follows task events;
    the task has no rate limit; the message does not expire, and it is JSON.
    """
    headers = message.headers
    return bool(
        consumer.ahead is not None
        and message.content_type == JSON
        and message.content_encoding == UTF8
        and isinstance(headers.get("id"), str)
        and headers["id"]
        and not headers.get("expires")
        and not is_followed(consumer.event_dispatcher)
        and not consumer.task_buckets[task.name]
    )


def delivered(message: Any) -> int:
    """How often the broker delivered the message before, as far as it counts."""
    count = message.headers.get("x-delivery-count")
    return count if isinstance(count, int) else 0


def send_anew(app: Any, message: Any) -> bool:
    """Replace a message that was delivered often by a copy that was not; False if that fails.

    The broker counts deliveries, also to workers that went away before they looked at it, and
    throws a message out at its limit. What counts here is how often it was started.
    """
    letter = _letter(app, message, due=None, headers={REDELIVERED: True})
    try:
        _post(app, letter)
    except Unconfirmed as error:
        _logger.error("%s stays as it is: %s", message.headers.get("id"), error.cause)
        return False
    message.ack_log_error(_logger, (OSError,))
    return True


def send_on(app: Any, message: Any, due: datetime) -> None:
    """Send a message that came before its time through the next wait queue.

    A delay longer than the longest queue comes here on its way, and so does one that a foreign
    client sent with an ``eta``. It is acknowledged when its successor is confirmed.
    """
    try:
        _post(app, _letter(app, message, due=due, headers={}))
    except Unconfirmed as error:
        _logger.error("%s stays in its queue: %s", message.headers.get("id"), error.cause)
        message.reject_log_error(_logger, (OSError,), requeue=True)
        return
    message.ack_log_error(_logger, (OSError,))


def _letter(app: Any, message: Any, *, due: datetime | None, headers: dict[str, Any]) -> Letter:
    raw = Raw.of_message(message)
    letter: Letter = app.amqp.letter(
        queue=raw.queue,
        due=due,
        body=raw.body,
        content_type=raw.content_type,
        content_encoding=raw.content_encoding,
        headers={**raw.headers, **headers},
        properties=raw.properties,
    )
    return letter


def _post(app: Any, letter: Letter) -> None:
    with app.producer_or_acquire() as producer:
        app.amqp.post(producer, letter)


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
