"""From a message to a request: what comes too early is sent on, what has no shape is refused."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.strategy import default

from fw_core.broker.publish import Letter, Unconfirmed
from fw_core.broker.topology import DELIVERY_LIMIT
from fw_core.headers import REDELIVERED
from fw_worker.again import is_in_hand
from fw_worker.raw import Raw

_logger = logging.getLogger("fw.worker")

EARLY = 0.01
"""Seconds by which a message may start before its time: clocks differ by more."""

OFTEN = DELIVERY_LIMIT // 2
"""Deliveries after which a message is sent anew, long before the broker throws it out."""


def strategy(task: Any, app: Any, consumer: Any) -> Any:
    """Celery's strategy, behind a check of the message's time and shape."""
    task.pool = consumer.pool
    handle = default(task, app, consumer)

    def on_message(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> Any:
        due = due_of(message)
        if due is not None:
            if not app.is_local and (due - app.now()).total_seconds() > EARLY:
                return send_on(app, message, due)
            message.headers["eta"] = None  # it is due: no timer has to hold it
        decode_quickly(message)
        check_shape(message, body)
        if is_in_hand(message, ack, reject, consumer.connection_errors):
            return None
        if delivered(message) >= OFTEN and send_anew(app, message):
            return None
        return handle(message, body, ack, reject, callbacks)

    return on_message


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


_decode = json.JSONDecoder().decode


def decode_quickly(message: Any) -> None:
    """Read a body in which only plain JSON stands; any other is read by kombu, later and slower.

    kombu asks at each object whether it stands for a date, a UUID or another type, which it writes
    as an object with the key ``__type__``.
    """
    if message.content_type != "application/json" or message.content_encoding != "utf-8":
        return
    body = message.body
    try:
        text = body if isinstance(body, str) else str(body, "utf-8")
        if "__type__" not in text and "\\u005" not in text:  # an underscore, written otherwise
            message._decoded_cache = _decode(text)
    except ValueError:
        return  # said by whoever reads it later


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
