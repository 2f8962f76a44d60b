"""Consume and settle: from Celery's request to an attempt, from its outcome to what follows.

The core decides what follows; here it is carried out: a value for the result, the same call sent
again through a wait queue, or a failure, which Celery stores and rejects to the dead letters.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from billiard.common import terminate_handler_fired
from celery.exceptions import Ignore, Reject, Retry

from fw_core.attempt.current import Attempt
from fw_core.attempt.decide import LATERS_HEADER, Tries, decide
from fw_core.attempt.failure import AttemptFailed
from fw_core.attempt.outcome import Cause, GaveUp, RetryIn, Succeeded
from fw_core.attempt.pipeline import Run, attempt
from fw_core.broker.task import FrameworkTask
from fw_core.errors import Expired, SendError
from fw_worker.ended import Ended, tell
from fw_worker.time_limit import limit_time

_logger = logging.getLogger("fw.task")


def run_attempt(task: FrameworkTask, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make the attempt of the message that ``task`` is handling, and settle it.

    Returns:
        The plain result of an attempt that succeeded.

    Raises:
        Retry: it was sent again, and confirmed.
        AttemptFailed: it failed for good.
        Reject: it was to be sent again and could not be; the message stays.
    """
    request = task.request
    tries = tries_of(request)
    if request.called_directly:
        return task.spec.function(*args, **kwargs)
    started = time.monotonic()
    outcome = _expired(task, request) or attempt(
        Run(
            spec=task.spec,
            arguments=task.handle.arguments,
            attempt=_attempt(task, request, tries),
            args=tuple(args),
            kwargs=dict(kwargs),
            needs_result=_needs_result(task, request),
        ),
        tries=tries,
        now=task.app.now,
        retry_after_limit=task.app.settings.retry_after_limit,
        limit_time=limit_time,
        passes=(Retry, Ignore, Reject),
        is_leaving=terminate_handler_fired,
    )
    tell(Ended(task.spec, request.id, tries, outcome, time.monotonic() - started))
    if isinstance(outcome, Succeeded):
        return outcome.value
    return settle(task, request, tries, outcome)


def settle(task: FrameworkTask, request: Any, tries: Tries, outcome: RetryIn | GaveUp) -> Any:
    """Carry out what follows from a failed attempt; always raises."""
    if isinstance(outcome, GaveUp):
        raise AttemptFailed.of(outcome.error, reason=outcome.reason)
    try:
        signature = send_again(task, request, tries, outcome)
    except SendError as error:
        _logger.error("%s[%s] stays in its queue: %s", task.name, request.id, error.what)
        raise Reject(error, requeue=True) from error
    raise Retry(exc=AttemptFailed.of(outcome.error), when=outcome.seconds, sig=signature)


def send_again(task: FrameworkTask, request: Any, tries: Tries, outcome: RetryIn) -> Any:
    """Send the same call again, to be run after the outcome's wait."""
    return task.send_again(
        request,
        seconds=outcome.seconds,
        retries=tries.retries + outcome.counts,
        headers={LATERS_HEADER: tries.laters + (not outcome.counts)},
    )


def decide_lost(task: FrameworkTask, request: Any, error: BaseException) -> RetryIn | GaveUp:
    """What follows from an attempt whose process could not say how it ended."""
    return decide(
        error,
        task.spec.policy,
        tries_of(request),
        now=task.app.now(),
        retry_after_limit=task.app.settings.retry_after_limit,
    )


def tries_of(request: Any) -> Tries:
    """What a message has been through, by its headers; what makes no sense counts as nothing."""
    headers = request.headers or {}
    return Tries(retries=_count(request.retries), laters=_count(headers.get(LATERS_HEADER)))


def _expired(task: FrameworkTask, request: Any) -> GaveUp | None:
    expires = request.expires
    if not expires:
        return None
    moment = datetime.fromisoformat(expires) if isinstance(expires, str) else expires
    if moment.tzinfo is None:  # a foreign client's; on the wire all times are UTC
        moment = moment.replace(tzinfo=UTC)
    if task.app.now() <= moment:
        return None
    error = Expired(task=task.name, expires=moment.isoformat(timespec="seconds"))
    return GaveUp(error, "it came too late", Cause.EXPIRED)


def _attempt(task: FrameworkTask, request: Any, tries: Tries) -> Attempt:
    delivery = request.delivery_info or {}
    properties = request.properties or {}
    queue = str(delivery.get("routing_key") or "")
    return Attempt(
        task=task.name,
        task_id=request.id,
        message_id=properties.get("message_id") or request.id,
        number=tries.attempt,
        of=task.spec.policy.max_attempts,
        deadline=task.app.now() + timedelta(seconds=task.spec.timeout.total_seconds()),
        redelivered=bool(delivery.get("redelivered")),
        queue=queue.removeprefix(task.app.topology.prefix),
    )


def _needs_result(task: FrameworkTask, request: Any) -> bool:
    ignored = request.__dict__.get("ignore_result")
    ignored = task.ignore_result if ignored is None else ignored
    return not ignored or bool(request.chain or request.callbacks or request.chord)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
