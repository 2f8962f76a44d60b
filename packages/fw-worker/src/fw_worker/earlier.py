"""What is known of a message that may have run before: looked up only for those that may.

A message is one of them if the broker delivered it before, if it brings a retry, if an operator
replays it, if its caller gave it an id (to send it again after a doubt), or if what sent it ran
twice itself. The others cost nothing.

The starts of a redelivered message are counted, not its deliveries: one that was only fetched by
workers that then went away has used up nothing, however many they were.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from fw_core import headers
from fw_core.attempt.decide import Tries
from fw_core.broker.app import App
from fw_core.errors import ResultStoreError
from fw_core.results import rows

MOST_STARTS = 3
"""Starts of one redelivered message; its first delivery is not among them."""

_logger = logging.getLogger("fw.worker")


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known of earlier runs of a message.

    Attributes:
        has_succeeded: Whether its call has a stored success.
        value: What that returned.
        starts: How often a redelivered message was started, this time included.
    """

    has_succeeded: bool = False
    value: Any = None
    starts: int = 0


NOTHING = Earlier()


def is_redelivered(request: Any) -> bool:
    """Whether the message was delivered before, so that a body may have run."""
    delivery, own = request.delivery_info or {}, request.headers or {}
    return bool(delivery.get("redelivered") or own.get(headers.REDELIVERED))


def may_have_run(request: Any, tries: Tries) -> bool:
    """Whether the message's call may have run, or succeeded, before this attempt."""
    own = request.headers or {}
    is_marked = own.get(headers.CHECK) or own.get(headers.REPLAYED)
    return bool(is_redelivered(request) or tries.retries or tries.laters or is_marked)


def look_up(app: App, request: Any, *, has_result: bool, is_start: bool = True) -> Earlier:
    """What the database knows of the message; nothing, if it does not answer.

    Args:
        app: The app.
        request: Celery's request of the message.
        has_result: Whether a success of the call is stored.
        is_start: Whether the message is about to be run, so that its starts are counted.
    """
    backend: Any = app.backend
    if backend.is_away:
        return NOTHING
    try:
        if has_result:
            row = backend.load([request.id]).get(request.id)
            if row is not None and row.state == rows.SUCCESS:
                return Earlier(has_succeeded=True, value=rows.decode(row.result))
        if not is_start or not is_redelivered(request):
            return NOTHING
        return Earlier(starts=backend.count_start(_message_id(request), request))
    except ResultStoreError as error:
        _logger.warning(
            "%s[%s]: whether it has run before is not known: %s",
            request.task, request.id, error.what,
        )  # fmt: skip
        return NOTHING


def take_back_start(app: App, request: Any) -> None:
    """Forget the start of a message that goes back because its outcome could not be kept."""
    if not is_redelivered(request):
        return
    backend: Any = app.backend
    try:
        backend.forget_start(_message_id(request))
    except ResultStoreError:
        _logger.warning("the start of %s[%s] stays counted", request.task, request.id)


def _message_id(request: Any) -> str:
    message_id = (request.properties or {}).get("message_id")
    return str(message_id or f"{request.id}:{request.retries or 0}")
