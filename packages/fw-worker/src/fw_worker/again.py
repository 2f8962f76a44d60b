"""Messages that come again to the worker that has them in hand, or has just settled them.

A lost connection takes acknowledgements with it: the broker delivers again what is still running
here, and what ended meanwhile. To run it a second time would be a repeat without a reason.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from threading import RLock
from typing import Any

from celery.worker import state

Settle = Callable[..., Any]

_MOST = 10_000
_settled: OrderedDict[str, None] = OrderedDict()

turn = RLock()
"""Held by whoever ends a request, or gives it one more delivery: in a pool of threads both at once
would leave that delivery to nobody."""

_logger = logging.getLogger("fw.worker")


def at_this_moment(requests: Iterable[Any]) -> tuple[Any, ...]:
    """What one of Celery's sets of requests holds; in a pool of threads it changes meanwhile."""
    while True:
        try:
            return tuple(requests)
        except RuntimeError:  # it changed under the iteration
            continue


def remember(message_id: str | None) -> None:
    """Note that a message has been settled here."""
    if message_id is None:
        return
    _settled[message_id] = None
    if len(_settled) > _MOST:
        _settled.popitem(last=False)


def forget(message_id: str | None) -> None:
    """Note nothing of a message, as a worker that has just started."""
    _settled.pop(message_id or "", None)


def is_in_hand(message: Any, ack: Settle, reject: Settle, errors: tuple[Any, ...]) -> bool:
    """Whether a message that came again needs no attempt; it is then settled with the first one.

    Args:
        message: The message, as it was delivered again.
        ack: Acknowledges it.
        reject: Gives it back, or throws it out.
        errors: What a lost connection raises.
    """
    if not (message.delivery_info or {}).get("redelivered"):
        return False
    message_id = (message.properties or {}).get("message_id")
    if message_id is None:
        return False
    for request in at_this_moment(state.reserved_requests):
        if getattr(request, "message_id", None) != message_id:
            continue
        with turn:
            if request.acknowledged:
                continue
            request.deliveries = (*request.deliveries, (ack, reject))
        _logger.info("%s came again and is running here", message.headers.get("id"))
        return True
    if message_id in _settled:
        _logger.info("%s came again and has ended here", message.headers.get("id"))
        ack(_logger, errors)
        return True
    return False
