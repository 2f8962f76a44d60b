"""Celery's request in the worker's main process, settled by the task's policy.

What a child process reports was settled there. Here is what no child can report: a process that
died, or one that was killed at its hard limit. Celery would write to the result store and wait for
it, in the process that answers the broker; this one has the pool do it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self
from weakref import ref

from celery import signals
from celery.exceptions import Ignore, Reject, Retry, Terminated, TimeLimitExceeded, WorkerLostError
from celery.worker import state as worker_state
from celery.worker.request import Request
from celery.worker.state import task_ready, task_reserved
from celery.worker.strategy import hybrid_to_proto2
from kombu.exceptions import DecodeError

from fw_core.attempt.failure import AttemptFailed, TaskError
from fw_core.attempt.outcome import Cause, GaveUp, Outcome, RetryIn, Succeeded
from fw_core.broker.task import FrameworkTask
from fw_core.errors import TimedOut, WorkerDied
from fw_worker import attempts
from fw_worker.again import Settle, remember, turn
from fw_worker.ahead.brief import UNREADABLE, Brief, Unreadable, brief_of, check_message
from fw_worker.ahead.tracer import trace_alone
from fw_worker.earlier import is_redelivered
from fw_worker.ended import Ended, tell
from fw_worker.followed import is_followed
from fw_worker.in_pool import settle_in_pool
from fw_worker.told import was_told

if TYPE_CHECKING:
    from fw_worker.ahead.group import Group

_logger = logging.getLogger("fw.worker")

_CELERYS_OWN = (Ignore, Retry, Terminated, SystemExit, KeyboardInterrupt, MemoryError)
"""What Celery's request answers without the result store."""


class AttemptRequest(Request):  # type: ignore[misc]
    """One message that is being worked on."""

    task: FrameworkTask
    time_start: Any
    worker_pid: Any
    group: Group | None = None  # those that it is sent to a process with
    traced: Callable[[str, float | None], None] | None = None
    deliveries: tuple[tuple[Settle, Settle], ...] = ()
    """How to acknowledge, and how to reject, the same message where it came again."""

    consumer: Any = None
    made_with: Mapping[str, Any] = {}
    _is_brief = False

    @classmethod
    def of_usual(cls, message: Any, ack: Settle, reject: Settle) -> Self:
        """A request that is made in full only when somebody asks for what is not here.

        Most ask for nothing: their message is handed on, runs, and is acknowledged.

        Args:
            message: What :func:`fw_worker.strategy.is_usual` says yes to.
            ack: Acknowledges it.
            reject: Gives it back, or throws it out.
        """
        self = cls.__new__(cls)
        made_with, headers = cls.made_with, message.headers
        self._is_brief = True
        self._message, self._body = message, message.body
        self.id = headers["id"]
        self._type = headers["task"]
        self.name = headers.get("shadow") or self._type
        self._on_ack, self._on_reject = ack, reject
        self._app, self._task = made_with["app"], made_with["task"]
        self._eventer = made_with["eventer"]
        self._connection_errors = made_with["connection_errors"]
        return self

    def __getattr__(self, name: str) -> Any:
        if not self.__dict__.get("_is_brief"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self.make_in_full()
        return getattr(self, name)

    def make_in_full(self) -> None:
        """Make of it what Celery makes of each message.

        Raises:
            DecodeError, ContentDisallowed, InvalidTaskError: the body is no call.
        """
        message = self._message
        check_message(message, None)  # one that cannot be read stays as brief as it is
        self._is_brief = False
        body, headers, is_decoded, is_utc = message.body, message.headers, False, True
        if "args" in message.payload:
            body, headers, is_decoded, is_utc = hybrid_to_proto2(message, message.payload)
        super().__init__(
            message,
            on_ack=self._on_ack,
            on_reject=self._on_reject,
            body=body,
            headers=headers,
            decoded=is_decoded,
            utc=is_utc,
            **self.made_with,
        )

    def revoked(self) -> bool:
        """Whether an operator revoked it; its result says so then."""
        is_usual = self._is_brief and not worker_state.revoked_stamps
        if is_usual and self.id not in worker_state.revoked and not self._already_revoked:
            return False
        return bool(super().revoked())

    @property
    def time_limits(self) -> tuple[None, None]:
        """None of its own: the limits are those of the task as this worker knows it."""
        return (None, None)

    @time_limits.setter
    def time_limits(self, value: Any) -> None:
        """Ignore what the message says."""

    def maybe_expire(self) -> bool:
        """Never: an expired message is seen where the attempt would start, and leaves a result."""
        return False

    @property
    def message_id(self) -> str | None:
        """What the message is known by, however often it is delivered."""
        message_id: str | None = (self._message.properties or {}).get("message_id")
        return message_id

    # On the way to the pool: see ahead/dispatcher.py

    def brief(self) -> Brief:
        """What of it travels to a process of the pool."""
        if self._is_brief:
            return brief_of(self._message, self._message.headers, self._body)
        return brief_of(self._message, self._request_dict, self._payload)

    def may_have_run(self) -> None:
        """Have it looked up before it is run: a process that is gone may have made its attempt."""
        self._message.delivery_info["redelivered"] = True

    @property
    def is_reported(self) -> bool:
        """Whether somebody follows task events."""
        return is_followed(self._eventer)

    def send_alone(self, pool: Any) -> None:
        """Give it to the next process that is free, without others."""
        result = pool.apply_async(
            trace_alone,
            args=(self.brief(),),
            kwargs={"is_reported": self.is_reported},
            accept_callback=self.on_accepted,
            timeout_callback=self.on_timeout,
            callback=self.on_traced,
            error_callback=self.on_failure,
            soft_timeout=self.task.soft_time_limit,
            timeout=self.task.time_limit,
            correlation_id=self.id,
        )
        self.group, self._apply_result = None, None if result is None else ref(result)

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """A process has it; as Celery's own, without the events that nobody follows."""
        if not self._is_brief or self.is_reported or self._terminate_on_ack is not None:
            super().on_accepted(pid, time_accepted)
            return
        self.worker_pid = pid
        self.time_start = time.time() - (time.monotonic() - time_accepted)
        worker_state.active_requests.add(self)
        worker_state.total_count[self.name] += 1
        worker_state.all_total_count[0] += 1

    def not_begun(self) -> None:
        """The process that it was sent to did not begin with it."""
        self.group = self.worker_pid = self.time_start = self._apply_result = None
        worker_state.active_requests.discard(self)
        task_reserved(self)

    def on_settled(self) -> None:
        """Its process has settled it, and could not say how."""
        task_ready(self)
        self.acknowledge()

    def on_traced(self, answer: tuple[Any, Any, float | None] | Unreadable) -> None:
        """Celery's tracer came to the end of the attempt, however it ended."""
        if isinstance(answer, Unreadable):
            self._read_here()
            return
        is_failed, _, seconds = answer
        if self.traced is not None:
            self.traced(self._type, seconds)
        if is_failed or self.is_reported:
            self.on_success(answer)
        else:
            task_ready(self)
            self.acknowledge()

    def _read_here(self) -> None:
        """Its body is none of our own: it is one of Celery's older calls, or a dead letter."""
        self.not_begun()
        try:
            self.make_in_full()
        except DecodeError as error:
            task_ready(self)
            self.consumer.on_decode_error(self._message, error)
        except UNREADABLE as error:
            task_ready(self)
            self.consumer.on_invalid_task(None, self._message, error)
        else:
            self.consumer.on_task_request(self)

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """End its attempt, and no other that was sent to the same process."""
        if self.group is not None:
            self.group.hold()  # the next one is not begun, and not killed in its place
            if self.group.running is not self:
                return  # found revoked when it is sent anew
        super().terminate(pool, signal)

    # How it ends.

    def acknowledge(self) -> None:
        """Acknowledge the message, and the same where it came again meanwhile."""
        with turn:
            if self.acknowledged:
                return
            super().acknowledge()
            remember(self.message_id)
        for ack, _ in self.deliveries:
            ack(_logger, self._connection_errors)

    def reject(self, requeue: bool = False) -> None:
        """Give the message back, or throw it out, and the same where it came again meanwhile."""
        with turn:
            if self.acknowledged:
                return
            super().reject(requeue)
        for _, reject in self.deliveries:
            reject(_logger, self._connection_errors, requeue)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """The child was killed at its hard limit, because its body did not stop at its timeout."""
        if soft:
            return
        seconds = self.task.spec.timeout.total_seconds()
        self._lost(TimedOut(task=self.task.name, seconds=seconds))

    def on_failure(
        self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False
    ) -> Any:
        """A failure reported by the pool; one of the process itself follows the policy."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, TimeLimitExceeded):
            return None  # on_timeout, which the pool calls next, settles it
        if isinstance(error, _CELERYS_OWN) or (isinstance(error, Reject) and error.requeue):
            return super().on_failure(exc_info, send_failed_event, return_ok)
        if isinstance(error, WorkerLostError):
            cause = str(error).partition(" Job: ")[0]
            self._lost(WorkerDied(task=self.task.name, cause=cause))
            return None
        task_ready(self)
        if isinstance(error, AttemptFailed):
            self._acknowledge(error)  # settled, and its dead letter is sent
        elif isinstance(error, Reject):
            self.reject(requeue=False)
        else:
            failed = AttemptFailed.of(error, reason="the worker could not run it")
            self._settle(GaveUp(failed, failed.reason, Cause.GAVE_UP))
        return None

    def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:
        """A call that an operator revoked: stored without making the main process wait."""
        task_ready(self)
        self._already_revoked = True
        error = TaskError("Revoked", f"an operator revoked it ({reason})")
        self._settle(GaveUp(AttemptFailed(error, "revoked"), "revoked", Cause.REVOKED))

    def _lost(self, error: TimedOut | WorkerDied) -> None:
        task_ready(self)
        if self.acknowledged or worker_state.should_terminate:
            return  # told to stop at once: the broker gives the message to another worker
        if isinstance(error, WorkerDied) and was_told():
            self.reject(requeue=True)  # whoever ends the worker ended it: no failure of the task's
            return
        tries = attempts.tries_of(self._context)
        outcome = attempts.decide_lost(self.task, self._context, error)
        ran = 0.0 if self.time_start is None else time.time() - self.time_start
        again = is_redelivered(self._context)
        self._settle(outcome, Ended(self.task.spec, self.id, tries, outcome, ran, again))

    def _settle(self, outcome: RetryIn | GaveUp, ended: Ended | None = None) -> None:
        tries = attempts.tries_of(self._context)
        failed = AttemptFailed.of(outcome.error)

        def then(settled: type[Outcome] | None) -> None:
            if settled is Succeeded:
                _logger.info("%s[%s] had succeeded before that", self.task.name, self.id)
                self.acknowledge()
                return
            if ended is not None:
                tell(ended)
            if settled is None:
                # A failure that could not be told still reaches the dead letters this way.
                self.reject(requeue=isinstance(outcome, RetryIn))
            elif isinstance(outcome, RetryIn):
                self.acknowledge()
                self.send_event("task-retried", exception=repr(failed), traceback="")
            else:
                self._acknowledge(failed)

        context = dict(vars(self._context))
        settle_in_pool(self.task.pool, self.task.name, context, tries, outcome, then=then)

    def _acknowledge(self, failed: AttemptFailed) -> None:
        self.acknowledge()
        self.send_event("task-failed", exception=repr(failed), traceback="")
        signals.task_failure.send(
            sender=self.task,
            task_id=self.id,
            exception=failed,
            args=self.args,
            kwargs=self.kwargs,
            traceback=None,
            einfo=None,
        )
