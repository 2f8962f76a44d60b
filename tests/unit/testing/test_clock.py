"""The virtual clock: where it starts, how it moves, and what follows it when asked."""

from __future__ import annotations

import logging
import sys
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

import fw_testing
from fw_core import task_framework
from fw_testing import Eager, FakeBroker, VirtualClock
from fw_testing.errors import ClockMark, NoTimeMachine

pytest_plugins = ["pytester"]

NEW_YEAR = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)


def test_it_starts_at_noon_of_the_first_of_january(fw_clock: VirtualClock) -> None:
    """The same moment in each run."""
    assert fw_clock.now() == datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.fw_clock(start="2026-12-31 23:59Z")
def test_a_mark_says_where_it_starts(fw_broker: FakeBroker, fw_clock: VirtualClock) -> None:
    """As text or as a datetime; delays count from there."""

    @task_framework
    def note() -> None: ...

    note.options(delay=60).delay()
    assert fw_clock.now() == NEW_YEAR
    assert fw_broker.waiting[0].delay == timedelta(seconds=60)


def test_it_moves_to_a_moment_in_any_zone(fw_broker: FakeBroker, fw_clock: VirtualClock) -> None:
    """What is due by then is ready."""

    @task_framework
    def note() -> int:
        return 1

    note.options(delay=3600).delay()
    fw_clock.move_to("2026-01-01 12:30Z")
    assert fw_broker.drain() == []
    fw_clock.move_to(datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=1))))
    assert len(fw_broker.drain()) == 1


def test_the_process_is_frozen_where_the_clock_stands(fw_clock: VirtualClock) -> None:
    """Inside of the block, and it goes on with the clock."""
    with fw_clock.freeze("2026-12-31 23:59Z"):
        assert datetime.now(UTC) == NEW_YEAR
        fw_clock.advance(60)
        assert (time.time(), datetime.now(UTC).year) == (fw_clock.timestamp(), 2027)
    assert datetime.now(UTC) != fw_clock.now()


def test_it_never_moves_back(fw_clock: VirtualClock) -> None:
    """Nothing would be due that was."""
    with pytest.raises(ValueError, match="forward"):
        fw_clock.move_to("2025-12-31 12:00Z")


@pytest.mark.parametrize("moment", ["2026-01-01 12:00", "noon", datetime(2026, 1, 1), 7])
def test_a_moment_has_a_time_zone(moment) -> None:
    """Without one it is another moment on each machine."""
    with pytest.raises(ClockMark, match="Fix: "):
        VirtualClock(moment)


def test_a_misspelt_mark_says_what_there_is(pytester: pytest.Pytester) -> None:
    """A mark that does nothing would be believed."""
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.fw_clock(begin="2026-01-01 12:00Z")
        def test_it(fw_eager): ...
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*ClockMark: *does not know begin.*", "*Fix: *move_datetime=True*"]
    )


@pytest.mark.fw_clock(start="2026-12-31 23:59Z", move_datetime=True)
def test_the_time_that_a_task_reads_follows(fw_eager: Eager, fw_clock: VirtualClock) -> None:
    """In each attempt it is the virtual one, and in the test too."""
    seen: list[datetime] = []

    @task_framework(retries=2, backoff=[3600], jitter=0)
    def note() -> None:
        seen.append(datetime.now(UTC))
        assert time.time() == fw_clock.timestamp()
        if len(seen) < 3:
            raise ConnectionError

    assert note.delay().get() is None
    assert seen == [NEW_YEAR + timedelta(hours=hours) for hours in range(3)]
    assert datetime.now(UTC) == fw_clock.now()


@pytest.mark.fw_clock(move_datetime=True)
def test_what_measures_is_not_moved(fw_broker: FakeBroker) -> None:
    """A time limit, a timeout of a lock, the duration in the report."""
    before = time.monotonic(), time.perf_counter()
    fw_broker.advance(timedelta(days=7))
    after = time.monotonic(), time.perf_counter()
    assert all(0 <= new - old < 60 for new, old in zip(after, before, strict=True))


@pytest.mark.fw_clock(move_datetime=True)
def test_results_delays_and_dead_letters_work_in_moved_time(fw_broker: FakeBroker) -> None:
    """SQLite, the log and the time limit live in it too."""

    @task_framework(retries=1, backoff=[3600], jitter=0, timeout=5)
    def fails(number: int) -> int:
        logging.getLogger("shop").warning("it is %s", datetime.now(UTC))
        raise ConnectionError

    @task_framework
    async def doubles(number: int) -> int:
        return number * 2

    result, other = fails.delay(7), doubles.options(delay=60).delay(7)
    fw_broker.drain()
    fw_broker.advance(60)
    fw_broker.drain()
    assert other.get() == 14
    fw_broker.advance(3600)
    fw_broker.drain()
    assert result.state == "FAILURE"
    assert len(fw_broker.dead) == 1


def test_real_time_is_back_after_the_block() -> None:
    """And after a test that fails in it."""
    before = time.time()
    with pytest.raises(ZeroDivisionError), fw_testing.eager(start=NEW_YEAR, move_datetime=True):
        assert datetime.now(UTC) == NEW_YEAR
        raise ZeroDivisionError
    assert before <= time.time() < before + 60


def test_datetime_is_real_unless_asked_for(fw_eager: Eager) -> None:
    """Few tests need it, and everything in the process would see it."""
    seen: list[datetime] = []

    @task_framework
    def note() -> None:
        seen.append(datetime.now(UTC))

    note.delay()
    assert abs(seen[0] - fw_eager.clock.now()) > timedelta(hours=1)


def test_without_time_machine_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: few tests need it."""
    monkeypatch.setitem(sys.modules, "time_machine", None)
    with (
        pytest.raises(NoTimeMachine, match=r"pip install 'fw-testing\[time\]'"),
        fw_testing.eager(move_datetime=True),
    ):
        pass
