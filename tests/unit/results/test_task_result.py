"""What the caller holds: looked up when asked, waited for within a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import get_ident
from typing import Any

import pytest
from celery import Celery
from celery.app.task import Context
from celery.result import denied_join_result
from sqlalchemy import event

from fw_core.attempt.current import Attempt, running
from fw_core.attempt.failure import TaskError
from fw_core.database.engine import engine_for
from fw_core.errors import BlockingInTask, ResultIgnored, ResultTimeout, TaskFailed
from fw_core.results.backend import ResultBackend
from fw_core.results.handle import TaskResult
from fw_core.results.waiting import FIRST_PAUSE, LONGEST_PAUSE, SHARE, Clock


class Time:
    """A clock that goes on only while somebody sleeps; things can happen meanwhile."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.happens: dict[int, Callable[[], object]] = {}

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.happens.get(len(self.slept), lambda: None)()

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)

    @property
    def clock(self) -> Clock:
        return Clock(monotonic=lambda: self.now, sleep=self.sleep, asleep=self.asleep)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def result(app: Celery, time: Time) -> TaskResult[Any]:
    return TaskResult("id-1", task_name="shop.pay", app=app, clock=time.clock)


def fail(backend: ResultBackend, task_id: str = "id-1") -> None:
    request = Context(id=task_id, task="shop.pay", retries=3, hostname="worker-1")
    backend.mark_as_failure(task_id, ValueError("no money"), "Traceback …", request)


def test_get_returns_what_the_task_returned(
    result: TaskResult[Any], backend: ResultBackend
) -> None:
    backend.store_result("id-1", {"paid": 7}, "SUCCESS")

    assert result.get() == {"paid": 7}
    assert (result.state, result.error) == ("SUCCESS", None)


def test_get_returns_what_the_annotation_promises(app: Celery, backend: ResultBackend) -> None:
    backend.store_result("id-1", [1, 2], "SUCCESS")
    result: TaskResult[set[int]] = TaskResult("id-1", app=app, decode=set)

    assert result.get() == {1, 2}


def test_a_failed_task_raises_its_error_as_data(
    result: TaskResult[Any], backend: ResultBackend
) -> None:
    fail(backend)

    with pytest.raises(TaskFailed) as told:
        result.get()

    error = told.value
    assert (error.task, error.task_id, error.attempts) == ("shop.pay", "id-1", 4)
    assert (error.error_type, error.error_message) == ("ValueError", "no money")
    assert error.traceback == "Traceback …"
    assert result.error == TaskError("ValueError", "no money", "Traceback …")
    assert (result.state, result.attempts) == ("FAILURE", 4)


def test_a_task_that_was_called_off_counts_as_failed(
    result: TaskResult[Any], backend: ResultBackend
) -> None:
    backend.mark_as_revoked("id-1", "called off")

    assert result.state == "FAILURE"
    with pytest.raises(TaskFailed, match="called off"):
        result.get()


def test_the_error_of_the_last_attempt_can_be_seen_before_the_next_one(
    result: TaskResult[Any], backend: ResultBackend
) -> None:
    request = Context(id="id-1", task="shop.pay", retries=0, hostname="worker-1")
    backend.mark_as_retry("id-1", ConnectionError("away"), None, request)

    assert result.state == "RETRY"
    assert result.error == TaskError("ConnectionError", "away")
    assert result.attempts == 1


def test_what_nobody_reported_is_pending(result: TaskResult[Any]) -> None:
    assert (result.state, result.error, result.attempts) == ("PENDING", None, 0)


def test_get_pauses_for_a_share_of_what_it_has_waited_and_at_most_a_quarter_second(
    result: TaskResult[Any], time: Time
) -> None:
    with pytest.raises(ResultTimeout) as told:
        result.get(timeout=10)

    waited = 0.0
    for pause in time.slept[:-1]:
        assert pause == pytest.approx(min(max(waited * SHARE, FIRST_PAUSE), LONGEST_PAUSE))
        waited += pause
    assert max(time.slept) == LONGEST_PAUSE
    assert sum(time.slept) == pytest.approx(10)
    assert (told.value.seconds, told.value.state) == (10, "PENDING")


def test_get_sees_a_result_that_comes_while_it_waits(
    result: TaskResult[Any], backend: ResultBackend, time: Time
) -> None:
    time.happens[5] = lambda: backend.store_result("id-1", "late", "SUCCESS")

    assert result.get() == "late"
    assert len(time.slept) == 5


def test_get_without_time_looks_once(
    result: TaskResult[Any], backend: ResultBackend, time: Time
) -> None:
    with pytest.raises(ResultTimeout):
        result.get(timeout=0)
    backend.store_result("id-1", 1, "SUCCESS")

    assert result.get(timeout=0) == 1
    assert time.slept == []


def test_waiting_keeps_one_connection(result: TaskResult[Any], backend: ResultBackend) -> None:
    backend.load([])
    made: list[object] = []
    event.listen(engine_for("sqlite://"), "connect", lambda connection, _: made.append(connection))

    with pytest.raises(ResultTimeout):
        result.get(timeout=10)

    assert made == []


def test_an_end_is_read_once(result: TaskResult[Any], backend: ResultBackend) -> None:
    backend.store_result("id-1", 1, "SUCCESS")
    result.get()
    backend.forget("id-1")

    assert (result.get(), result.state) == (1, "SUCCESS")


def test_a_task_that_keeps_no_result_is_not_waited_for(app: Celery, time: Time) -> None:
    result: TaskResult[Any] = TaskResult("id-1", app=app, ignored=True, clock=time.clock)

    with pytest.raises(ResultIgnored):
        result.get()
    assert time.slept == []


def test_the_failure_of_a_task_that_keeps_no_result_is_told(
    app: Celery, backend: ResultBackend
) -> None:
    fail(backend)

    with pytest.raises(TaskFailed):
        TaskResult[Any]("id-1", app=app, ignored=True).get()


@contextmanager
def in_an_attempt() -> Iterator[None]:
    attempt = Attempt(
        task="shop.report",
        task_id="id-2",
        message_id="m",
        number=1,
        of=4,
        deadline=datetime.now(UTC) + timedelta(minutes=5),
        redelivered=False,
        queue="default",
    )
    with running(attempt):
        yield


@pytest.mark.parametrize("inside", [in_an_attempt, denied_join_result])
def test_a_task_cannot_wait_for_another_one(
    result: TaskResult[Any], backend: ResultBackend, inside: Callable[[], Any]
) -> None:
    backend.store_result("id-1", 1, "SUCCESS")

    with inside():
        with pytest.raises(BlockingInTask):
            result.get()
        with pytest.raises(BlockingInTask):
            asyncio.run(result.aget())
        assert result.state == "SUCCESS"  # to look is no waiting


def test_aget_returns_what_the_task_returned(
    result: TaskResult[Any], backend: ResultBackend, time: Time
) -> None:
    time.happens[3] = lambda: backend.store_result("id-1", "late", "SUCCESS")

    assert asyncio.run(result.aget()) == "late"


def test_aget_ends_when_its_time_is_over(result: TaskResult[Any], time: Time) -> None:
    with pytest.raises(ResultTimeout):
        asyncio.run(result.aget(timeout=2))

    assert sum(time.slept) == pytest.approx(2)


def test_aget_reads_the_database_in_another_thread_than_the_loops(
    result: TaskResult[Any], backend: ResultBackend
) -> None:
    backend.store_result("id-1", 1, "SUCCESS")
    readers: set[int] = set()
    event.listen(
        engine_for("sqlite://"), "before_cursor_execute", lambda *_: readers.add(get_ident())
    )

    asyncio.run(result.aget())

    assert readers
    assert get_ident() not in readers


def test_other_coroutines_go_on_while_aget_waits(app: Celery, backend: ResultBackend) -> None:
    result: TaskResult[str] = TaskResult("id-1", app=app)

    async def store_meanwhile() -> None:
        await asyncio.to_thread(backend.store_result, "id-1", "stored meanwhile", "SUCCESS")

    async def both() -> str:
        value, _ = await asyncio.gather(result.aget(timeout=10), store_meanwhile())
        return value

    assert asyncio.run(both()) == "stored meanwhile"


def test_several_are_waited_for_together_and_given_in_order(
    app: Celery, backend: ResultBackend, time: Time
) -> None:
    results = [TaskResult[int](f"id-{n}", app=app, clock=time.clock) for n in range(3)]
    backend.store_result("id-2", 2, "SUCCESS")
    time.happens[2] = lambda: backend.store_result("id-0", 0, "SUCCESS")
    time.happens[4] = lambda: backend.store_result("id-1", 1, "SUCCESS")
    seen: list[str] = []
    event.listen(
        engine_for("sqlite://"), "before_cursor_execute", lambda _c, _k, sql, *_: seen.append(sql)
    )

    assert TaskResult.wait_for(results) == [0, 1, 2]
    assert sum(sql.startswith("SELECT fw_results") for sql in seen) == 5  # one a look


def test_the_first_failure_ends_the_waiting_for_several(
    app: Celery, backend: ResultBackend, time: Time
) -> None:
    results = [TaskResult[int](f"id-{n}", app=app, clock=time.clock) for n in range(3)]
    fail(backend, "id-1")

    with pytest.raises(TaskFailed) as told:
        TaskResult.wait_for(results)
    assert told.value.task_id == "id-1"
    assert time.slept == []


def test_waiting_for_several_names_one_that_is_late(
    app: Celery, backend: ResultBackend, time: Time
) -> None:
    results = [TaskResult[int](f"id-{n}", app=app, clock=time.clock) for n in range(2)]
    backend.store_result("id-0", 0, "SUCCESS")

    with pytest.raises(ResultTimeout) as told:
        TaskResult.wait_for(results, timeout=1)
    assert told.value.task_id == "id-1"


def test_waiting_for_none_is_done_at_once() -> None:
    assert TaskResult.wait_for([]) == []


def test_celerys_own_result_is_underneath(app: Celery, result: TaskResult[Any]) -> None:
    assert result.async_result == app.AsyncResult("id-1")


def test_a_result_kept_by_another_backend_can_be_read(time: Time) -> None:
    """An app in a test may have one of Celery's own."""
    app = Celery("shop", backend="cache+memory://", set_as_current=False)
    app.backend.store_result("id-1", ValueError("no money"), "FAILURE")

    with pytest.raises(TaskFailed) as told:
        TaskResult[Any]("id-1", app=app, clock=time.clock).get()
    assert (told.value.error_type, told.value.error_message) == ("ValueError", "no money")
