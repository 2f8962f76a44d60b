"""What Celery's tracer does for an attempt, without what nobody listens to.

Celery's own does much for each call that only signals, task events and its own retries need. Here
is the short way for the usual end: the task succeeded and nothing follows. Results are stored
several at a time. Every other end, and every task that somebody listens to, takes Celery's way; an
attempt that was made here is not made again there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from celery import signals
from celery._state import _task_stack
from celery.app import trace
from celery.app.task import Context
from celery.utils.saferepr import saferepr
from kombu.exceptions import EncodeError, OperationalError

from fw_core.attempt.outcome import Succeeded
from fw_core.broker.follow_up import following_up
from fw_core.broker.publish import Unconfirmed
from fw_core.broker.task import FrameworkTask
from fw_core.errors import ResultStoreError, SendError
from fw_core.results import join
from fw_core.results.backend import mark_settled
from fw_worker.ahead.brief import UNREADABLE, Brief, Call, Unreadable, call_of
from fw_worker.attempts import Made, made_before, make_attempt
from fw_worker.settle import is_result_kept

_logger = logging.getLogger("fw.worker")

_NOT_TOGETHER = (
    *(ResultStoreError, EncodeError),
    *(SendError, Unconfirmed, OperationalError, OSError),  # what waits for a join is not sent now
)
_LISTENED = (signals.task_prerun, signals.task_postrun, signals.task_success)
_OWN_NAMES = frozenset(
    {*vars(Context), "lang", "task", "argsrepr", "kwargsrepr", "compression"},
)


class _Context(Context):  # type: ignore[misc]
    """Celery's request, quicker to make."""

    def _get_custom_headers(self, *_: Any, **__: Any) -> dict[str, Any] | None:
        known = vars(self)
        return {name: known[name] for name in known.keys() - _OWN_NAMES} or None


@dataclass(frozen=True, slots=True)
class Kept:
    """An attempt that has succeeded, and whose result is still to be stored."""

    call: Call
    made: Made
    request: Any
    value: Any
    seconds: float


Traced = tuple[Any, ...]
"""What Celery's tracer says: whether it failed, the result as text or the error, and seconds."""


def trace_alone(brief: Brief, *, is_reported: bool) -> Traced | Unreadable:
    """Make and settle the attempt of one message.

    Args:
        brief: The message.
        is_reported: Whether somebody follows task events, which show what was returned.
    """
    traced = trace_call(brief, is_reported=is_reported)
    if isinstance(traced, Kept):
        [traced] = store([traced], is_reported=is_reported)
    return traced


def trace_call(brief: Brief, *, is_reported: bool) -> Traced | Kept | Unreadable:
    """Make the attempt of one message; settle it, unless all that is left is to store its result.

    Args:
        brief: The message.
        is_reported: Whether somebody follows task events.
    """
    tasks, _, hostname = trace._localized
    try:
        call = call_of(brief, hostname)
    except UNREADABLE:
        return Unreadable()
    name, _, request, (args, kwargs, embed), *_ = call
    task = tasks[name]
    if not _is_usual(task):
        return _by_celery(call)
    began = time.monotonic()
    known = {**request, **(embed or {}), "is_eager": False}
    context = _Context(known, args=args, kwargs=kwargs, called_directly=False)
    tasks_here, requests_here = _task_stack.push(task), task.request_stack.push(context)
    try:
        made: Any = make_attempt(task, context, args, kwargs)
    except BaseException as error:  # noqa: BLE001 - Celery's tracer knows what it means
        made = error
    finally:
        # Not by the stacks' own pop(): that throws an empty one away, and the next push makes it.
        tasks_here.pop()
        requests_here.pop()
    outcome = getattr(made, "outcome", None)
    seconds = time.monotonic() - began
    if not isinstance(outcome, Succeeded) or context.chain or context.callbacks:
        return _by_celery(call, made, seconds=seconds)
    is_kept = is_result_kept(task, context) and not made.is_stored
    if context.chord and not (is_kept and join.is_counted(context)):
        return _by_celery(call, made, seconds=seconds)
    if is_kept:
        return Kept(call, made, context, outcome.value, seconds)
    mark_settled(context)
    return _succeeded(task, outcome.value, seconds, is_reported=is_reported)


def store(kept: Sequence[Kept], *, is_reported: bool) -> list[Traced]:
    """Store the results of several attempts together, or settle each by itself."""
    traced = try_to_store(kept, is_reported=is_reported)
    if traced is not None:
        return traced
    return [_by_celery(each.call, each.made, seconds=each.seconds) for each in kept]


def try_to_store(kept: Sequence[Kept], *, is_reported: bool) -> list[Traced] | None:
    """Store the results of several attempts together, and count the joins that they are part of.

    None: the database did not take them, or the broker not what waits for a join.
    """
    tasks = trace._localized[0]
    backend = tasks[kept[0].call[0]].app.backend
    if backend.is_away:
        return None
    try:
        backend.store_successes([(each.request, each.value) for each in kept])
        members = [(each.request, each.value) for each in kept if each.request.chord]
        with following_up():
            join.members_ended(backend, members)
    except _NOT_TOGETHER as error:
        _logger.debug("%d results could not be stored together: %s", len(kept), error)
        return None
    return [
        _succeeded(tasks[each.call[0]], each.value, each.seconds, is_reported=is_reported)
        for each in kept
    ]


def _by_celery(
    call: Call, made: Made | BaseException | None = None, *, seconds: float = 0.0
) -> Traced:
    """Trace a call as Celery does; its body may have run before, for so many seconds."""
    with made_before(made):
        is_failed, result, took = trace.fast_trace_task(*call)
    return is_failed, result, None if took is None else took + seconds


def _succeeded(task: Any, value: Any, seconds: float, *, is_reported: bool) -> Traced:
    return 0, saferepr(value, task.resultrepr_maxsize) if is_reported else "", seconds


def _is_usual(task: Any) -> bool:
    """Whether nothing but the attempt itself is asked for by this task, or by whoever listens."""
    return (
        isinstance(task, FrameworkTask)
        and not task.track_started
        and not any(signal.receivers for signal in _LISTENED)
    )
