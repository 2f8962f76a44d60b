"""Celery's request in the worker's main process, settled by the task's policy.

What a child process reports was settled there. Here is what no child can report: a process that
died, or one that was killed at its hard limit. Celery would write to the result store and wait for
it, in the process that answers the broker; this one does not wait.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from celery import signals
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker import state as worker_state
from celery.worker.request import Request
from celery.worker.state import task_ready
from kombu.exceptions import OperationalError

from fw_core.attempt.failure import AttemptFailed, TaskError
from fw_core.attempt.outcome import GaveUp
from fw_core.broker.task import FrameworkTask
from fw_core.errors import ResultStoreError, SendError, TimedOut, WorkerDied
from fw_worker import attempts
from fw_worker.ended import Ended, tell
from fw_worker.failures import store_failure

_logger = logging.getLogger("fw.worker")


class AttemptRequest(Request):  # type: ignore[misc]
    """One message that is being worked on."""

    task: FrameworkTask

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

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """The child was killed at its hard limit, because its body did not stop at its timeout."""
        if soft:
            return
        task_ready(self)
        seconds = self.task.spec.timeout.total_seconds()
        self._settle_lost(TimedOut(task=self.task.name, seconds=seconds))

    def on_failure(
        self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False
    ) -> Any:
        """A failure reported by the pool; one of the process itself follows the policy."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, WorkerLostError):
            task_ready(self)
            cause = str(error).partition(" Job: ")[0]
            self._settle_lost(WorkerDied(task=self.task.name, cause=cause))
            return None
        if isinstance(error, TimeLimitExceeded):
            return None  # on_timeout, which the pool calls next, settles it
        if isinstance(error, _NOT_SETTLED):
            # The body is done, its outcome could not be kept: the message must not be lost with it.
            task_ready(self)
            _logger.error("%s[%s] stays in its queue: %s", self.name, self.id, _first_line(error))
            self.reject(requeue=True)
            return None
        return super().on_failure(exc_info, send_failed_event, return_ok)

    def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:
        """A call that an operator revoked: stored without making the main process wait."""
        task_ready(self)
        self._already_revoked = True
        error = TaskError("Revoked", f"an operator revoked it ({reason})")
        self._fail(AttemptFailed(error, "revoked"))

    def _settle_lost(self, error: TimedOut | WorkerDied) -> None:
        if self.acknowledged or worker_state.should_terminate:
            return  # told to stop at once: the broker gives the message to another worker
        request = self._context
        tries = attempts.tries_of(request)
        outcome = attempts.decide_lost(self.task, request, error)
        ran = 0.0 if self.time_start is None else time.time() - self.time_start
        tell(Ended(self.task.spec, self.id, tries, outcome, ran))
        if isinstance(outcome, GaveUp):
            self._fail(AttemptFailed.of(error, reason=outcome.reason))
            return
        try:
            attempts.send_again(self.task, request, tries, outcome)
        except SendError as send_error:
            _logger.error("%s[%s] stays in its queue: %s", self.name, self.id, send_error.what)
            self.reject(requeue=True)
            return
        self.acknowledge()
        self.send_event("task-retried", exception=repr(error), traceback="")

    def _fail(self, failed: AttemptFailed) -> None:
        store_failure(
            self.task.pool,
            self.id,
            failed,
            {name: getattr(self._context, name, None) for name in _KEPT},
            then=lambda: self.reject(requeue=False),
        )
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


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


_NOT_SETTLED = (ResultStoreError, SendError, OperationalError)
"""What keeps a settled attempt from being told: the result store or the broker is away."""

_KEPT = (
    "id", "task", "retries", "root_id", "parent_id", "group", "group_index", "hostname",
    "errbacks", "chain", "chord", "ignore_result",
    "delivery_info",
)  # fmt: skip
"""What the result store is told of a request; arguments are not among it."""
