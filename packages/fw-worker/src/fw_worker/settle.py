"""What is done when an attempt has ended: what happened is kept, what follows is sent, in order.

::

    succeeded  store the result, count the join ─▶ send callbacks and the next step ─▶ acknowledge
    retry      send the retry ─▶ acknowledge
    gave up    store the failure, fail the join, call back ─▶ send the dead letter ─▶ acknowledge

Each step is done at least once and bears to be done twice: a process that dies between two of
them leaves the message in its queue, and whoever gets it does them again under the same ids.

While the database is away a success waits in the queue of outcomes and a failure in its dead
letter, for the collector; while the broker takes nothing the attempt waits here, in its place, so
that a worker that cannot say how its tasks ended takes no more of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.app.task import Context
from celery.exceptions import Reject, Retry
from kombu.exceptions import OperationalError

from fw_core.attempt.decide import Tries
from fw_core.attempt.failure import AttemptFailed, message_of, type_name
from fw_core.attempt.outcome import Cause, GaveUp, Outcome, RetryIn, Succeeded
from fw_core.broker.app import App
from fw_core.broker.follow_up import following_up
from fw_core.broker.publish import Unconfirmed
from fw_core.broker.task import FrameworkTask
from fw_core.errors import ResultStoreError, SendError
from fw_core.headers import LATERS, REPLAYED, STEP, TRIES
from fw_core.results.backend import mark_settled
from fw_core.results.rows import BEGAN
from fw_worker.dead_letters.bury import bury
from fw_worker.dead_letters.death import (
    Death,
    Try,
    tries_from_header,
    tries_to_header,
)
from fw_worker.earlier import take_back_start
from fw_worker.follow_ups import FollowUp, follow_ups
from fw_worker.insist import insist
from fw_worker.keeping import Keeping
from fw_worker.never_sent import fail_never_sent
from fw_worker.outcomes import KeptOutcome
from fw_worker.raw import Raw

NOT_SENT = (SendError, Unconfirmed, OperationalError)
"""What says that the broker does not take a message now."""

_logger = logging.getLogger("fw.worker")


class Settling:
    """One attempt whose outcome is being settled.

    Args:
        task: The task.
        request: Celery's request of the message.
        tries: What the message had been through before.
        until: When to give up and give the message back, by the app's clock of pauses.
        may_have_run: Whether the message may have been settled before; whoever gets what follows
            then looks first.
    """

    def __init__(
        self,
        task: FrameworkTask,
        request: Any,
        tries: Tries,
        *,
        until: float,
        may_have_run: bool = False,
    ) -> None:
        self._task = task
        self._app: App = task.app
        self._backend: Any = task.app.backend
        self._request = request
        self._tries = tries
        self._until = until
        self._may_have_run = may_have_run

    def settle(self, outcome: Outcome, *, is_stored: bool = False, request: Any = None) -> Any:
        """Carry out what follows from ``outcome``.

        Args:
            outcome: How the attempt ended.
            is_stored: Whether this success was found in the database.
            request: Celery's request of the message where its tracer has made another one.

        Returns:
            The plain result of an attempt that succeeded.

        Raises:
            Retry: it was sent again, and confirmed.
            AttemptFailed: it failed for good, and is a dead letter.
            Reject: what happened could not be kept, or sent on: the message goes back.
        """
        if request is not None and request is not self._request:
            request.children.extend(self._request.children)
            if hasattr(self._request, BEGAN):
                setattr(request, BEGAN, getattr(self._request, BEGAN))
            self._request = request
        if isinstance(outcome, Succeeded) and not needs_result(self._task, self._request):
            mark_settled(self._request)
            return outcome.value
        try:
            with following_up():
                match outcome:
                    case Succeeded(value=value):
                        return self._succeeded(value, is_stored=is_stored)
                    case RetryIn():
                        return self._retry(outcome)
                    case GaveUp():
                        return self._gave_up(outcome)
        except (*NOT_SENT, ResultStoreError) as error:
            _logger.error(
                "%s[%s] goes back to its queue: %s",
                self._task.name, self._request.id, str(error).partition("\n")[0],
            )  # fmt: skip
            take_back_start(self._app, self._request)
            raise Reject(error, requeue=True) from error

    def _succeeded(self, value: Any, *, is_stored: bool) -> Any:
        request = self._request
        following = list(follow_ups(self._app, request, value, check=self._may_have_run))
        # The row names them as the task's children, and they are sent when the row is there.
        request.children.extend(
            self._app.AsyncResult(each.task_id) for each in following if each.task_id is not None
        )
        is_kept = is_result_kept(self._task, request)
        self._keep(value, is_stored=is_kept and not is_stored)
        try:
            for each in following:
                self._send(each)
        except NOT_SENT:
            if not is_kept:  # its message comes again for what follows, and must find it done
                self._backend.mark_as_done(request.id, value, _kept(request, chord=None))
            raise
        mark_settled(request)
        request.callbacks = request.chain = None  # Celery would send them now
        return value

    def _keep(self, value: Any, *, is_stored: bool) -> None:
        """Store a success and count its join, or let it wait in the broker for the database."""
        request = self._request
        if not is_stored and not request.chord:
            return
        self._insist(
            Keeping(
                self._app,
                f"{self._task.name}[{request.id}] has succeeded",
                lambda: self._backend.mark_as_done(request.id, value, _kept(request), is_stored),
                lambda: KeptOutcome.of(request, value, is_stored=is_stored),
            ),
            "its outcome",
        )

    def _send(self, following: FollowUp) -> None:
        try:
            self._insist(following.send, "what follows it")
        except SendError as error:
            if not error.is_final:
                raise
            fail_never_sent(self._app, following, error, self._insist)

    def _retry(self, outcome: RetryIn) -> Any:
        headers: dict[str, Any] = {
            LATERS: self._tries.laters + (not outcome.counts),
            TRIES: tries_to_header(self._tried(outcome) if outcome.counts else self._tried()),
        }
        try:
            signature = self._insist(
                lambda: self._task.send_again(
                    self._request,
                    seconds=outcome.seconds,
                    retries=self._tries.retries + outcome.counts,
                    headers=headers,
                ),
                "its retry",
            )
        except SendError as error:
            if not error.is_final:
                raise
            reason = f"the broker never takes its retry: {error.cause}"
            return self._gave_up(GaveUp(outcome.error, reason, Cause.GAVE_UP))
        raise Retry(exc=AttemptFailed.of(outcome.error), when=outcome.seconds, sig=signature)

    def _gave_up(self, outcome: GaveUp) -> Any:
        failed = AttemptFailed.of(outcome.error, reason=outcome.reason)
        is_settled = try_to_settle_failure(self._app, failed, self._request)
        raw = Raw.of_request(self._request)
        death = Death(
            cause=outcome.cause,
            reason=outcome.reason,
            error=failed.error,
            at=self._app.now(),
            attempts=self._tries.attempt + self._tries.laters,
            queue=raw.queue.removeprefix(self._app.topology.prefix),
            worker=self._request.hostname or "",
            tries=self._tried(outcome),
            is_settled=is_settled,
        )
        self._insist(lambda: bury(self._app, raw, death), "its dead letter", even_if_final=True)
        mark_settled(self._request)
        raise failed

    def _tried(self, *outcomes: RetryIn | GaveUp) -> tuple[Try, ...]:
        """The failed attempts so far, and this one if it is one."""
        before = tries_from_header((self._request.headers or {}).get(TRIES))
        return before + tuple(
            Try(
                number=self._tries.attempt,
                at=self._app.now(),
                error=_in_one_line(outcome.error),
                worker=self._request.hostname or "",
            )
            for outcome in outcomes
        )

    def _insist(self, action: Callable[[], Any], what: str, *, even_if_final: bool = False) -> Any:
        return insist(
            action,
            errors=NOT_SENT,
            until=self._until,
            clock=self._app.pauses,
            even_if_final=even_if_final,
            what=f"{self._task.name}[{self._request.id}]: {what}",
        )


def settle_failure(app: App, task_id: str, failed: AttemptFailed, request: Any) -> None:
    """Store that a call failed, and tell whoever waits for it: its join, its error callbacks.

    To do so twice does no harm.

    Args:
        app: The app.
        task_id: The call.
        failed: Why.
        request: Celery's context of the message.

    Raises:
        ResultStoreError: the database did not take it.
        SendError: an error callback, or what waited for the join, could not be sent now.
    """
    backend: Any = app.backend
    with following_up():
        backend.mark_as_failure(task_id, failed, failed.error.traceback, request=request)


def try_to_settle_failure(app: App, failed: AttemptFailed, request: Any) -> bool:
    """Settle a failure if database and broker let us; the collector of dead letters does else."""
    backend: Any = app.backend
    if backend.is_away:
        return False
    try:
        settle_failure(app, request.id, failed, request)
    except (*NOT_SENT, ResultStoreError) as error:
        _logger.warning(
            "%s[%s] has failed; the rest is left to the collector: %s",
            request.get("task"), request.id, str(error).partition("\n")[0],
        )  # fmt: skip
        return False
    return True


def is_result_kept(task: FrameworkTask, request: Any) -> bool:
    """Whether the call's success is stored: the message decides before the task.

    That of a replayed call always is: the failure that is stored of it must not stay. That of a
    step always is: it is the state of its workflow.
    """
    headers = request.headers or {}
    if headers.get(REPLAYED) or STEP in headers:
        return True
    ignored = vars(request).get("ignore_result")
    return not (task.ignore_result if ignored is None else ignored)


def needs_result(task: FrameworkTask, request: Any) -> bool:
    """Whether somebody reads what the call returns, or gets it as an argument."""
    return is_result_kept(task, request) or has_followers(request)


def has_followers(request: Any) -> bool:
    """Whether anything is sent, or counted, when the call has succeeded."""
    return bool(request.chain or request.callbacks or request.chord)


def _kept(request: Any, **changes: Any) -> Any:
    """The request as the result store is to see it: one whose success is kept."""
    if not request.ignore_result and not changes:
        return request
    kept: Any = Context({**vars(request), "ignore_result": False, **changes})
    kept.children.extend(request.children)
    return kept


def _in_one_line(error: BaseException) -> str:
    name = error.error.type if isinstance(error, AttemptFailed) else type_name(error)
    text = error.error.message if isinstance(error, AttemptFailed) else message_of(error)
    return " ".join(f"{name}: {text}".split())
