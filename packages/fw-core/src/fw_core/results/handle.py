"""The result of one call, in the hands of whoever made the call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, Generic, TypeVar

from fw_core.attempt.current import attempt_or_none
from fw_core.attempt.failure import TaskError, describe
from fw_core.errors import BlockingInTask, ResultIgnored, ResultTimeout, TaskFailed
from fw_core.results.waiting import REAL_CLOCK, Clock, pauses

R = TypeVar("R")
T = TypeVar("T")

_FAILED = frozenset({"FAILURE", "REVOKED"})
_ENDED = _FAILED | {"SUCCESS"}

_FIX_IN_A_TEST = (
    "print(error.traceback) shows where; a failure that the test expects is what "
    "pytest.raises(TaskFailed) and assert_dead(task, error=...) are for."
)


class TaskResult(Generic[R]):
    """What became of one call. Reading costs one statement; nothing is read before it is asked.

    Args:
        task_id: The call.
        task_name: The task's name, for messages.
        app: The Celery app whose backend keeps the result.
        decode: Turns the stored JSON value into what the task's annotation promises.
        ignored: Whether the task keeps no result of a success.
        clock: Where time comes from while waiting.
    """

    def __init__(
        self,
        task_id: str,
        *,
        task_name: str = "",
        app: Any,
        decode: Callable[[Any], R] | None = None,
        ignored: bool = False,
        clock: Clock = REAL_CLOCK,
    ) -> None:
        self.id = task_id
        self.task_name = task_name
        self.ignored = ignored
        self._app = app
        self._decode = decode
        self._clock = clock
        self._meta: dict[str, Any] = {"status": "PENDING", "result": None}

    @cached_property
    def async_result(self) -> Any:
        """Celery's own ``AsyncResult`` of this call."""
        return self._app.AsyncResult(self.id)

    @property
    def state(self) -> str:
        """``PENDING``, ``STARTED``, ``RETRY``, ``SUCCESS`` or ``FAILURE``.

        ``PENDING`` is also what an id that nobody sent has.

        Raises:
            ResultStoreError: the result database cannot be read.
        """
        state: str = self._look()["status"]
        return "FAILURE" if state in _FAILED else state

    @property
    def error(self) -> TaskError | None:
        """The task's error, while it waits for a retry too; None if there was none.

        Raises:
            ResultStoreError: the result database cannot be read.
        """
        return _error_of(self._look())

    @property
    def attempts(self) -> int:
        """How many times the task has run, as far as was stored.

        Raises:
            ResultStoreError: the result database cannot be read.
        """
        return _attempts_of(self._look())

    def get(self, timeout: float = 60) -> R:
        """Wait until the task has ended and return what it returned.

        Args:
            timeout: Seconds to wait at most; 0 looks once.

        Raises:
            TaskFailed: the task failed; it carries the error's type, message and traceback.
            ResultTimeout: it has not ended in time. The task goes on.
            ResultIgnored: it has ``ignore_result=True`` and has not failed.
            BlockingInTask: this is a task itself.
            ResultStoreError: the result database cannot be read.
        """
        return self.wait_for([self], timeout=timeout)[0]

    async def aget(self, timeout: float = 60) -> R:
        """Like :meth:`get`, from async code: the event loop goes on meanwhile."""
        self._refuse_in_task()
        steps = pauses(timeout, clock=self._clock)
        while True:
            await asyncio.to_thread(_look_at, [self])
            if (meta := self._settled()) is not None:
                return self._value(meta)
            if (pause := next(steps, None)) is None:
                raise self._timeout(timeout)
            await self._clock.asleep(pause)

    @staticmethod
    def wait_for(results: Iterable[TaskResult[T]], timeout: float = 60) -> list[T]:
        """Wait until several tasks have ended and return what they returned, in order.

        Each look is one statement, however many are waited for.

        Raises:
            TaskFailed: one failed; it is raised as soon as it is known.
            ResultTimeout: not all have ended in time.
            ResultIgnored: one keeps no result and has not failed.
            BlockingInTask: this is a task itself.
            ResultStoreError: the result database cannot be read.
        """
        waited: list[TaskResult[T]] = list(results)
        if not waited:
            return []
        waited[0]._refuse_in_task()
        steps = pauses(timeout, clock=waited[0]._clock)
        left = waited
        while True:
            _look_at(left)
            for result in left:
                if result._has_failed():
                    result._value(result._meta)  # raises
            left = [result for result in left if result._settled() is None]
            if not left:
                return [result._value(result._meta) for result in waited]
            if (pause := next(steps, None)) is None:
                raise left[0]._timeout(timeout)
            waited[0]._clock.sleep(pause)

    def _look(self) -> dict[str, Any]:
        """Read what is stored; an end is read once and kept."""
        _look_at([self])
        return self._meta

    def _settled(self) -> dict[str, Any] | None:
        """What was read, once there is nothing left to wait for."""
        if self._meta["status"] in _ENDED:
            return self._meta
        if self.ignored:
            # A success leaves nothing, so the wait for it would have no end.
            raise ResultIgnored(task=self.task_name, task_id=self.id)
        return None

    def _has_failed(self) -> bool:
        return self._meta["status"] in _FAILED

    def _value(self, meta: dict[str, Any]) -> R:
        if meta["status"] in _FAILED:
            error = _error_of(meta) or TaskError("Error", "")
            raise TaskFailed(
                task=self.task_name or meta.get("name") or "",
                task_id=self.id,
                error_type=error.type,
                error_message=error.message,
                traceback=error.traceback,
                attempts=_attempts_of(meta),
                fix=_FIX_IN_A_TEST if self._clock.advice else "",
            )
        value: R = meta["result"]
        return self._decode(value) if self._decode is not None else value

    def _timeout(self, seconds: float) -> ResultTimeout:
        return ResultTimeout(
            task_id=self.id,
            seconds=seconds,
            state=self._meta["status"],
            fix=self._clock.advice,
        )

    def _refuse_in_task(self) -> None:
        from celery._state import task_join_will_block

        if attempt_or_none() is not None or task_join_will_block():
            raise BlockingInTask(task_id=self.id)

    def __repr__(self) -> str:
        return f"TaskResult({self.id!r}, task_name={self.task_name!r})"


def _look_at(results: Iterable[TaskResult[Any]]) -> None:
    """Read what is stored of those that have not ended, with one statement for each app."""
    by_app: dict[int, list[TaskResult[Any]]] = {}
    for result in results:
        if result._meta["status"] in _ENDED:
            continue
        by_app.setdefault(id(result._app), []).append(result)
    for several in by_app.values():
        backend = several[0]._app.backend
        if hasattr(backend, "get_task_metas"):
            metas = backend.get_task_metas([result.id for result in several])
        else:  # an app in a test may have a backend of Celery's
            metas = {r.id: backend.get_task_meta(r.id, cache=False) for r in several}
        for result in several:
            result._meta = metas[result.id]


def _error_of(meta: dict[str, Any]) -> TaskError | None:
    error: TaskError | None = meta.get("fw_error")
    if error is None and isinstance(meta["result"], BaseException):
        # Another backend, such as an app in a test may have.
        error = describe(meta["result"], meta.get("traceback"))
    return error


def _attempts_of(meta: dict[str, Any]) -> int:
    return int(meta.get("fw_attempts") or 0)
