"""limit_time: stops a body at its timeout, by a signal in the main thread, else by an exception.

No body here waits for the clock by sleeping: each is busy until it is stopped.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from fw_core.errors import TimedOut
from fw_worker.time_limit import _Watcher, limit_time

GUARD = 20.0
"""Seconds after which a body that nothing stops ends by itself, so that the test fails."""

PLACES = ["main thread", "other thread"]


def run_with(seconds: float, is_async: bool = False) -> Any:
    return SimpleNamespace(
        spec=SimpleNamespace(
            name="orders.work", timeout=timedelta(seconds=seconds), is_async=is_async
        )
    )


@pytest.fixture(params=PLACES)
def limited(request):
    """Runs a body under its time limit, in the main thread or in another."""

    def call(function, seconds: float) -> Any:
        body = limit_time(lambda run: function())
        if request.param == "main thread":
            return body(run_with(seconds))
        return in_thread(lambda: body(run_with(seconds)))

    return call


def in_thread(function) -> Any:
    outcome: list[Any] = []

    def target() -> None:
        try:
            outcome.extend((True, function()))
        except BaseException as error:
            outcome.extend((False, error))

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    succeeded, value = outcome
    if succeeded:
        return value
    raise value


def busy(seconds: float = GUARD) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return "ended by itself"


# A body in time


def test_a_body_in_time_returns_what_it_returns(limited):
    assert limited(lambda: 42, 60) == 42


def test_a_body_in_time_raises_what_it_raises(limited):
    error = ValueError()

    def fail() -> None:
        raise error

    with pytest.raises(ValueError) as caught:
        limited(fail, 60)

    assert caught.value is error


def test_a_timeout_of_days_is_no_problem(limited):
    assert limited(lambda: 42, 360 * 24 * 3600) == 42


# A body that is too long


def test_a_busy_body_is_stopped(limited):
    with pytest.raises(TimedOut) as caught:
        limited(busy, 0.05)

    assert caught.value.task == "orders.work"
    assert caught.value.seconds == 0.05


def test_the_error_shows_where_the_body_was_stopped(limited):
    with pytest.raises(TimedOut) as caught:
        limited(busy, 0.05)

    names, tb = [], caught.value.__traceback__
    while tb is not None:
        names.append(tb.tb_frame.f_code.co_name)
        tb = tb.tb_next
    assert "busy" in names


def test_a_stopped_body_runs_its_finally(limited):
    cleaned = []

    def body() -> None:
        try:
            busy()
        finally:
            cleaned.append(1)

    with pytest.raises(TimedOut):
        limited(body, 0.05)

    assert cleaned == [1]


def test_a_stopped_body_leaves_its_with_blocks(limited):
    left = []

    class Connection:
        def __enter__(self) -> None: ...

        def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
            left.append(kind)

    def body() -> None:
        with Connection():
            busy()

    with pytest.raises(TimedOut):
        limited(body, 0.05)

    assert len(left) == 1
    assert not issubclass(left[0], Exception)


def test_except_exception_in_a_body_does_not_swallow_its_timeout(limited):
    """Celery's SoftTimeLimitExceeded is an Exception, and is swallowed."""

    def careful() -> str:
        while True:
            try:
                return busy()
            except Exception:
                pass

    with pytest.raises(TimedOut):
        limited(careful, 0.05)


def test_an_error_raised_while_cleaning_up_is_the_bodys_own(limited):
    def body() -> None:
        try:
            busy()
        finally:
            raise KeyError("in finally")

    with pytest.raises(KeyError):
        limited(body, 0.05)


def test_a_body_is_stopped_once_and_can_take_its_time_to_clean_up(limited):
    cleaned = []

    def body() -> None:
        try:
            busy()
        finally:
            busy(0.2)
            cleaned.append(1)

    with pytest.raises(TimedOut):
        limited(body, 0.05)

    assert cleaned == [1]


def test_the_next_body_has_its_own_time(limited):
    for _ in range(3):
        with pytest.raises(TimedOut):
            limited(busy, 0.02)

    assert limited(lambda: busy(0.1), 60) == "ended by itself"


def test_a_blocking_call_in_the_main_thread_is_interrupted():
    with pytest.raises(TimedOut):
        limit_time(lambda run: threading.Event().wait(GUARD))(run_with(0.05))


def test_bodies_in_several_threads_have_limits_of_their_own():
    outcomes: dict[float, Any] = {}

    def run(seconds: float) -> None:
        started = time.monotonic()
        try:
            limit_time(lambda run: busy())(run_with(seconds))
        except TimedOut as error:
            outcomes[seconds] = (error.seconds, time.monotonic() - started)

    threads = [threading.Thread(target=run, args=(s,)) for s in (0.3, 0.05, 0.15, 0.1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == [0.05, 0.1, 0.15, 0.3]
    assert all(given == stopped and took >= given for given, (stopped, took) in outcomes.items())


def test_a_short_limit_is_not_held_up_by_a_long_one():
    """One thread watches all; it must wake for what is due first."""
    release = threading.Event()
    long = threading.Thread(target=lambda: limit_time(lambda run: release.wait())(run_with(300)))
    long.start()
    try:
        with pytest.raises(TimedOut):
            in_thread(lambda: limit_time(lambda run: busy())(run_with(0.05)))
    finally:
        release.set()
        long.join()


def test_an_async_body_is_left_to_its_event_loop():
    assert limit_time(lambda run: "ran")(run_with(0.000001, is_async=True)) == "ran"


# A body that ends just in time


@pytest.fixture
def many_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def rounds_of(call, count: int) -> tuple[int, int]:
    """Bodies that last about as long as their limit; none may be hit after it has ended."""
    returned = stopped = 0
    for n in range(count):
        limit = 0.0002 + (n % 40) * 0.00001
        try:
            assert call(lambda: busy(0.0004), limit) == "ended by itself"
            returned += 1
        except TimedOut:
            stopped += 1
        for _ in range(20):  # where a late exception would be raised
            pass
    return returned, stopped


@pytest.mark.usefixtures("many_switches")
def test_a_body_that_ends_just_in_time_is_not_hit_later(limited):
    """Each ends in one of two ways; nothing is raised in what follows."""

    def call(function, seconds: float) -> Any:
        return limit_time(lambda run: function())(run_with(seconds))

    outcome: list[tuple[int, int]] = []
    limited(lambda: outcome.append(rounds_of(call, 1500)), 60)

    [(returned, stopped)] = outcome
    assert returned + stopped == 1500
    assert stopped > 0
    busy(0.01)


@pytest.mark.usefixtures("many_switches")
def test_many_threads_whose_bodies_end_just_in_time_are_not_hit_later():
    outcomes: list[tuple[int, int]] = []
    errors: list[BaseException] = []

    def call(function, seconds: float) -> Any:
        return limit_time(lambda run: function())(run_with(seconds))

    def work() -> None:
        try:
            outcomes.append(rounds_of(call, 300))
            busy(0.01)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not errors
    assert [sum(outcome) for outcome in outcomes] == [300] * 4


def test_a_watch_that_fires_after_the_body_has_ended_hits_nothing():
    """The watcher may have taken it from its list just before the body ended."""

    def work() -> str:
        watch = _Watcher().watch(300)
        watch.end()
        watch.fire()
        return busy(0.01)

    assert in_thread(work) == "ended by itself"


# What was there before


def test_the_alarm_handler_of_the_program_is_put_back():
    before = signal.getsignal(signal.SIGALRM)

    limit_time(lambda run: None)(run_with(60))
    with pytest.raises(TimedOut):
        limit_time(lambda run: busy())(run_with(0.02))

    assert signal.getsignal(signal.SIGALRM) is before


def test_the_alarm_handler_is_put_back_however_close_the_end_was():
    before = signal.getsignal(signal.SIGALRM)
    for n in range(2000):
        with suppress(TimedOut):
            limit_time(lambda run: busy(0.0001))(run_with(0.00005 + n % 20 * 0.000005))
        assert signal.getsignal(signal.SIGALRM) is before, n


def test_no_alarm_is_left_behind():
    limit_time(lambda run: None)(run_with(60))

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_alarm_of_the_program_goes_on():
    """pytest-timeout sets one; so does a task that runs inside another in a test."""
    rang = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
    signal.setitimer(signal.ITIMER_REAL, 30)
    try:
        limit_time(lambda run: None)(run_with(60))

        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 25 < left <= 30
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_ended_bodies_are_not_kept_until_their_time_is_over():
    """A threads worker runs thousands of short tasks within the five minutes of a timeout."""
    watcher = _Watcher()
    running = watcher.watch(200)

    for _ in range(500):
        watcher.watch(300).end()

    assert len(watcher._due) < 100
    running.end()
