"""A body that moves the virtual clock beyond its timeout ends as in production."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from fw_core import TaskFailed, current_attempt, task_framework
from fw_core.broker.task import HARD_LIMIT_GRACE
from fw_testing import Eager, VirtualClock


def test_a_body_beyond_its_timeout_is_a_failed_attempt(
    fw_eager: Eager, fw_clock: VirtualClock
) -> None:
    """It is retried, and is dead in the end."""
    reached: list[str] = []

    @task_framework(timeout=60, retries=1, backoff=3)
    def slow() -> None:
        fw_clock.advance(60)
        reached.append("its timeout")
        fw_clock.advance(0.1)
        reached.append("beyond")

    result = slow.delay()
    assert fw_eager.waits == [3]
    assert fw_eager.assert_dead(slow, error=TimeoutError).cause == "timed-out"
    with pytest.raises(TaskFailed, match="ran longer than its timeout of 60 s"):
        result.get()
    assert reached == ["its timeout"] * 2


def test_a_body_can_clean_up_first(fw_eager: Eager, fw_clock: VirtualClock) -> None:
    """What stops it is no Exception, which a body might swallow."""
    seen: list[str] = []

    @task_framework(timeout=60, retries=0)
    def slow() -> None:
        try:
            fw_clock.advance(61)
        except Exception:
            seen.append("swallowed")
        finally:
            fw_clock.advance(1)
            seen.append("cleaned up")

    slow.delay()
    assert seen == ["cleaned up"]
    assert fw_eager.assert_dead(slow).cause == "timed-out"


def test_a_body_that_swallows_it_may_still_end_in_time(
    fw_eager: Eager, fw_clock: VirtualClock
) -> None:
    """As in production: the process is killed later."""

    @task_framework(timeout=60)
    def stubborn() -> str:
        try:
            fw_clock.advance(61)
        except BaseException:
            return "done"
        return "not stopped"

    assert stubborn.delay().get() == "done"


@pytest.mark.parametrize("swallows", [False, True])
def test_a_body_beyond_its_hard_limit_is_killed(
    fw_eager: Eager, fw_clock: VirtualClock, swallows: bool
) -> None:
    """Whatever it returns: the process that ran it is gone, and the worker settles it."""

    @task_framework(timeout=60, retries=1, backoff=3)
    def stubborn() -> str:
        with contextlib.suppress(BaseException):
            fw_clock.advance(61)
        try:
            fw_clock.advance(HARD_LIMIT_GRACE)
        except BaseException:
            if not swallows:
                raise
        return "done"

    result = stubborn.delay()
    fw_eager.assert_retried(stubborn, waits=[3])
    dead = fw_eager.assert_dead(stubborn, error="ran longer than its timeout of 60 s")
    assert (dead.cause, dead.attempts) == ("timed-out", 2)
    assert result.state == "FAILURE"


def test_an_async_body_is_cancelled(fw_eager: Eager, fw_clock: VirtualClock) -> None:
    """As its event loop would do it."""
    seen: list[str] = []

    @task_framework(timeout=60, retries=0)
    async def slow() -> None:
        try:
            await asyncio.sleep(0)
            fw_clock.advance(61)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    slow.delay()
    assert seen == ["cancelled"]
    assert fw_eager.assert_dead(slow).cause == "timed-out"


def test_each_attempt_has_its_whole_time(fw_eager: Eager, fw_clock: VirtualClock) -> None:
    """And the clock stops nothing outside of a body."""
    fw_clock.advance(1000)

    @task_framework(timeout=60, backoff=100)
    def steady() -> int:
        assert (current_attempt().deadline - fw_clock.now()).total_seconds() == 60
        fw_clock.advance(50)
        if current_attempt().number == 1:
            raise ConnectionError
        return 7

    assert steady.delay().get() == 7
    fw_clock.advance(1000)
