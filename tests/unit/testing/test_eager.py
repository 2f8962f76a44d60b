"""``fw_eager``: a call runs at once, through the real path."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from celery import chord

import fw_testing
from fw_core import (
    GiveUp,
    TaskFailed,
    execute_dynamic_workflow,
    register_task,
    task_framework,
)
from fw_testing import Eager

pytest_plugins = ["pytester"]


def test_retries_run_at_once_and_their_waits_are_recorded(fw_eager: Eager) -> None:
    """3, 9, 27: the stated waits, before jitter."""
    attempts: list[int] = []

    @task_framework(retries=5, backoff=3)
    def process_order(order_id: int) -> str:
        attempts.append(order_id)
        if len(attempts) < 4:
            raise ConnectionError
        return f"Order {order_id} processed"

    assert process_order.delay(7).get() == "Order 7 processed"
    assert fw_eager.waits == [3, 9, 27]


def test_a_retry_plan_of_seven_days_takes_no_time(fw_eager: Eager) -> None:
    """The clock moves, nobody sleeps."""

    @task_framework(retries=7, backoff=[86_400], max_delay=timedelta(days=2), jitter=0)
    def daily() -> None:
        raise ConnectionError

    start, real = fw_eager.clock.now(), time.monotonic()
    daily.delay()
    assert fw_eager.clock.now() - start == timedelta(days=7)
    assert time.monotonic() - real < 60
    assert len(fw_eager.ran) == 8


def test_arguments_and_results_pass_through_json(fw_eager: Eager) -> None:
    """What would break in production breaks here."""
    seen: list[object] = []

    @task_framework
    def note(when: datetime, numbers: tuple[int, ...]) -> dict[str, int]:
        seen.extend((when, numbers))
        return {"a": 1}

    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert note.delay(moment, (1, 2)).get() == {"a": 1}
    assert seen == [moment, (1, 2)]


def test_a_failure_is_in_the_result_not_in_the_call(fw_eager: Eager) -> None:
    """As in production: delay() does not raise what the task raised."""

    @task_framework(retries=0)
    def fails() -> None:
        raise ValueError("no")

    result = fails.delay()
    with pytest.raises(TaskFailed, match="ValueError: no"):
        result.get()
    assert [dead.task for dead in fw_eager.dead] == [fails.name]


def test_what_a_task_sends_runs_after_it(fw_eager: Eager) -> None:
    """Not inside it."""
    order: list[str] = []

    @task_framework
    def second() -> None:
        order.append("second")

    @task_framework
    def first() -> None:
        second.delay()
        order.append("first")

    first.delay()
    assert order == ["first", "second"]


def test_workflows_and_joins_run(fw_eager: Eager) -> None:
    """Also those of Celery's canvas."""

    @register_task("half")
    def half(number: int) -> int:
        return number // 2

    @task_framework
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    assert execute_dynamic_workflow(["half", "half"], 8).get() == 2
    joined = chord([half.s(n) for n in (2, 4, 6)])(total.s())
    assert total.result(joined.id).get() == 6


async def _doubled(number: int) -> int:
    return number * 2


def test_an_async_task_runs_also_where_a_loop_runs(fw_eager: Eager) -> None:
    """As in a test of pytest-asyncio."""
    import asyncio

    @task_framework
    async def doubles(number: int) -> int:
        return await _doubled(number)

    async def main() -> int:
        return await (await doubles.adelay(4)).aget() + doubles.delay(1).get()

    assert asyncio.run(main()) == 10


def test_a_unittest_testcase_uses_the_context_manager() -> None:
    """No fixture is needed."""
    with fw_testing.eager() as mode:

        @task_framework
        def note() -> int:
            return 1

        assert note.delay().get() == 1
        assert len(mode.ran) == 1


def test_the_fixtures_need_no_import(pytester: pytest.Pytester) -> None:
    """The plugin is found by its entry point."""
    pytester.makepyfile(
        """
        from fw_core import task_framework

        @task_framework
        def add(a: int, b: int) -> int:
            return a + b

        def test_eager(fw_eager, fw_clock):
            assert add.delay(1, 2).get() == 3
            assert fw_clock is fw_eager.clock

        def test_broker(fw_broker):
            add.delay(1, 2)
            fw_broker.assert_sent(add, 1, 2)
            assert fw_broker.run_next().result == 3
        """
    )
    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=2)


def test_a_failure_is_told_once_and_by_fw(
    fw_eager: Eager, caplog: pytest.LogCaptureFixture
) -> None:
    """Celery's tracer would add that it was unexpected."""

    @task_framework(retries=0)
    def work() -> None:
        raise GiveUp("no such order")

    with pytest.raises(TaskFailed, match=r"Fix: print\(error.traceback\)"):
        work.delay().get()
    assert [record.name for record in caplog.records] == ["fw.task"]
