"""What the main process has to settle, done by its pool: it answers the broker and never waits.

A thread of its own would be in the way of every fork, and a database or a broker that does not
answer would keep it from its heartbeats.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from celery import current_app
from celery.app.task import Context
from celery.exceptions import Reject, Retry

from fw_core.attempt.decide import Tries
from fw_core.attempt.failure import AttemptFailed
from fw_core.attempt.outcome import GaveUp, Outcome, RetryIn, Succeeded
from fw_worker.dead_letters.bury import bury
from fw_worker.dead_letters.context import context_of
from fw_worker.dead_letters.death import Death
from fw_worker.dead_letters.raw_message import named_call
from fw_worker.earlier import look_up, may_have_run
from fw_worker.insist import insist
from fw_worker.raw import Raw
from fw_worker.settle import NOT_SENT, Settling, needs_result, try_to_settle_failure

_SECONDS = 15.0

_logger = logging.getLogger("fw.worker")


def settle_in_pool(
    pool: Any,
    task: str,
    context: dict[str, Any],
    tries: Tries,
    outcome: RetryIn | GaveUp,
    *,
    then: Callable[[type[Outcome] | None], None],
) -> None:
    """Settle an attempt that could not do so itself.

    One whose success is in the database has succeeded, whatever ended its process after that.

    Args:
        pool: The worker's pool.
        task: The task's name.
        context: Celery's request of the message.
        tries: What the message had been through before.
        outcome: How the attempt ended, as far as the main process knows.
        then: Told as what it is settled, so that the message can be acknowledged; None if it
            is not.
    """
    _run(pool, _settle, (task, context, tries, _pickled(outcome)), then)


def bury_in_pool(pool: Any, raw: Raw, death: Death, *, then: Callable[[bool], None]) -> None:
    """Make a dead letter of a message that no attempt can be made of.

    Args:
        pool: The worker's pool.
        raw: The message.
        death: What is known of its end.
        then: Told whether it is in the queue of dead letters.
    """
    _run(pool, _bury, (raw, death), lambda is_buried: then(is_buried is True))


def _run(pool: Any, function: Any, args: tuple[Any, ...], then: Callable[[Any], None]) -> None:
    pool.apply_async(
        function,
        args=args,
        # A thread that failed says so in place of an answer.
        callback=lambda done, **_: then(done if isinstance(done, (bool, type)) else None),
        error_callback=lambda *_, **__: then(None),
    )


def _settle(
    task_name: str, context: dict[str, Any], tries: Tries, outcome: RetryIn | GaveUp
) -> type[Outcome] | None:
    app: Any = current_app
    task = app.tasks[task_name]
    request: Any = Context(context)
    earlier = look_up(app, request, has_result=needs_result(task, request), is_start=False)
    settled = Succeeded(earlier.value) if earlier.has_succeeded else outcome
    settling = Settling(
        task,
        request,
        tries,
        until=_until(),
        may_have_run=earlier.has_succeeded or may_have_run(request, tries),
    )
    try:
        settling.settle(settled, is_stored=earlier.has_succeeded)
    except (Retry, AttemptFailed):
        pass
    except Reject:
        return None  # said there
    except Exception:
        _logger.exception("%s[%s] could not be settled", task_name, request.id)
        return None
    return type(settled)


def _bury(raw: Raw, death: Death) -> bool:
    app: Any = current_app
    try:
        call = named_call(raw)
        if call is not None:
            failed = AttemptFailed(death.error, death.reason)
            context = context_of(call, death)
            death = replace(death, is_settled=try_to_settle_failure(app, failed, context))
        insist(
            lambda: bury(app, raw, death),
            errors=NOT_SENT,
            until=_until(),
            clock=app.pauses,
            even_if_final=True,
            what=f"the dead letter of {raw.headers.get('id')}",
        )
    except Exception:
        _logger.exception("a dead letter could not be written")
        return False
    return True


def _until() -> float:
    app: Any = current_app
    now: float = app.pauses.monotonic()
    return now + _SECONDS


def _pickled(outcome: RetryIn | GaveUp) -> RetryIn | GaveUp:
    """The outcome with its error as data: an exception need not survive the way to the pool."""
    return replace(outcome, error=AttemptFailed.of(outcome.error))
