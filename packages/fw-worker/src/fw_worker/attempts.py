"""Consume: from Celery's request to an attempt, and from the attempt to its outcome.

The core decides what follows; ``settle.py`` carries it out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from billiard.common import terminate_handler_fired
from celery.exceptions import Ignore, Reject, Retry

from fw_core.attempt.current import Attempt
from fw_core.attempt.decide import Tries, decide
from fw_core.attempt.outcome import Cause, GaveUp, Outcome, RetryIn, Succeeded
from fw_core.attempt.pipeline import Run, Wrapper, attempt, compose
from fw_core.broker.app import App
from fw_core.broker.task import FrameworkTask
from fw_core.declare.spec import TaskSpec
from fw_core.errors import DeliveredTooOften, Expired
from fw_core.headers import LATERS, RETRIES
from fw_worker.earlier import MOST_STARTS, NOTHING, is_redelivered, look_up, may_have_run
from fw_worker.ended import Ended, tell
from fw_worker.insist import patience
from fw_worker.settle import Settling, needs_result
from fw_worker.steps import begin_step, end_step
from fw_worker.time_limit import Killed, limit_time
from fw_worker.told import let_attempts_end

_logger = logging.getLogger("fw.task")


@dataclass(frozen=True, slots=True)
class Made:
    """An attempt that has ended and is not settled yet.

    Attributes:
        outcome: How it ended.
        settling: Settles it.
        is_stored: Whether its success was found in the database.
    """

    outcome: Outcome
    settling: Settling
    is_stored: bool

    def settle(self, request: Any) -> Any:
        """Settle it; as :func:`run_attempt`.

        Args:
            request: Celery's request of the message, which may be another than it was made with.
        """
        return self.settling.settle(self.outcome, is_stored=self.is_stored, request=request)


def run_attempt(task: FrameworkTask, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make the attempt of the message that ``task`` is handling, and settle it.

    Returns:
        The plain result of an attempt that succeeded.

    Raises:
        Retry: it was sent again, and confirmed.
        AttemptFailed: it failed for good, and is a dead letter.
        Reject: what happened could not be kept, or sent on: the message goes back.
    """
    request = task.request
    if request.called_directly:
        return task.spec.function(*args, **kwargs)
    made = _made_before.get()
    if made is None:
        made = make_attempt(task, request, args, kwargs)
    _made_before.set(None)
    if isinstance(made, BaseException):
        raise made
    return made.settle(request)


_made_before: ContextVar[Made | BaseException | None] = ContextVar("fw_made", default=None)


@contextmanager
def made_before(made: Made | BaseException | None) -> Iterator[None]:
    """Let the tracer settle an attempt that was made, or ended without an outcome, before.

    None: it was not made.
    """
    token = _made_before.set(made)
    try:
        yield
    finally:
        _made_before.reset(token)


def make_attempt(
    task: FrameworkTask, request: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Made:
    """Make the attempt of a message, unless it is known to have succeeded, or must not start.

    Raises:
        Ignore: it is a step of a workflow that was cancelled.
    """
    let_attempts_end()
    app, tries, spec = task.app, tries_of(request), spec_of(task, request)
    started, began = time.monotonic(), app.pauses.monotonic()
    is_again, has_result = is_redelivered(request), needs_result(task, request)
    may_repeat = is_again or may_have_run(request, tries)
    earlier = NOTHING
    if may_repeat:
        earlier = look_up(app, request, has_result=has_result)
    if earlier.has_succeeded:
        outcome: Outcome = Succeeded(earlier.value)
        _logger.info("%s has succeeded before; its message came again", task.name)
    else:
        begin_step(app, request)
        outcome = (
            _started_too_often(task, earlier.starts)
            or _expired(task, request)
            or _attempt_of(
                task,
                Run(
                    spec=spec,
                    arguments=task.handle.arguments,
                    attempt=_attempt(spec, app, request, tries, is_again=is_again),
                    args=tuple(args),
                    kwargs=dict(kwargs),
                    needs_result=has_result,
                ),
                tries,
            )
        )
        seconds = time.monotonic() - started
        end_step(request)
        tell(Ended(spec, request.id, tries, outcome, seconds, is_again))
    settling = Settling(task, request, tries, until=patience(task, began), may_have_run=may_repeat)
    return Made(outcome, settling, earlier.has_succeeded)


def _attempt_of(task: FrameworkTask, run: Run, tries: Tries) -> Outcome:
    app = task.app
    return attempt(
        run,
        tries=tries,
        now=app.now,
        retry_after_limit=app.settings.retry_after_limit,
        draw=app.draw,
        limit_time=_limits(app.limit_time, limit_time),
        passes=(Retry, Ignore, Reject, Killed),
        is_leaving=terminate_handler_fired,
    )


@lru_cache(maxsize=8)
def _limits(*limits: Wrapper | None) -> Wrapper:
    return compose(*filter(None, limits))


def decide_lost(task: FrameworkTask, request: Any, error: BaseException) -> RetryIn | GaveUp:
    """What follows from an attempt whose process could not say how it ended."""
    return decide(
        error,
        spec_of(task, request).policy,
        tries_of(request),
        now=task.app.now(),
        retry_after_limit=task.app.settings.retry_after_limit,
        draw=task.app.draw,
    )


def tries_of(request: Any) -> Tries:
    """What a message has been through, by its headers; what makes no sense counts as nothing."""
    headers = request.headers or {}
    return Tries(retries=_count(request.retries), laters=_count(headers.get(LATERS)))


def _started_too_often(task: FrameworkTask, starts: int) -> GaveUp | None:
    if starts <= MOST_STARTS:
        return None
    error = DeliveredTooOften(task=task.name, times=starts)
    return GaveUp(error, "its worker ended each time that it ran", Cause.DIED)


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


def spec_of(task: FrameworkTask, request: Any) -> TaskSpec:
    """What the task was declared with, but for what a workflow's plan says of this step."""
    retries = (request.headers or {}).get(RETRIES)
    if retries is None:
        return task.spec
    return replace(task.spec, policy=replace(task.spec.policy, retries=_count(retries)))


def _attempt(spec: TaskSpec, app: App, request: Any, tries: Tries, *, is_again: bool) -> Attempt:
    queue = str((request.delivery_info or {}).get("routing_key") or "")
    message_id = (request.properties or {}).get("message_id")
    return Attempt(
        task=spec.name,
        task_id=request.id,
        message_id=message_id or request.id,
        number=tries.attempt,
        of=spec.policy.max_attempts,
        deadline=app.now() + spec.timeout,
        redelivered=is_again,
        queue=queue.removeprefix(app.topology.prefix),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
