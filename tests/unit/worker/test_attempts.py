"""Consume and settle: an attempt in the worker, and what follows from it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import Ignore, Reject

from fw_core import GiveUp, RetryLater, RetryPolicy, current_attempt, task_framework
from fw_core.attempt.decide import Tries
from fw_core.attempt.outcome import GaveUp, RetryIn
from fw_core.errors import TimedOut, WorkerDied
from fw_core.headers import LATERS
from fw_worker import attempts

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def request(**values: Any) -> Any:
    """What Celery's request has of a message."""
    return SimpleNamespace(
        **{"id": "an-id", "retries": 0, "headers": {}, "expires": None, **values}
    )


class FakeTask:
    """As much of a task as deciding asks for."""

    name = "orders.work"

    def __init__(self, now: datetime = NOON) -> None:
        self.spec = SimpleNamespace(policy=RetryPolicy(backoff=3, jitter=0))
        self.app = SimpleNamespace(
            now=lambda: now,
            settings=SimpleNamespace(retry_after_limit=3600),
            draw=lambda: 0.5,
        )


# Through the real path


def test_corrects_the_users_sketch_a_failed_task_waits_3_9_27_seconds(fw_broker):
    """The wait before retry n is backoff ** n; the sketch waited 1, 3, 9."""

    @task_framework(retries=3, backoff=3, jitter=0)
    def process_order(order_id: int) -> None:
        raise ConnectionError

    process_order.delay(42)
    waits = []
    while True:
        fw_broker.drain()
        if not fw_broker.waiting:
            break
        waits.append(fw_broker.waiting[0].delay)
        fw_broker.advance(waits[-1])

    assert waits == [timedelta(seconds=3), timedelta(seconds=9), timedelta(seconds=27)]
    assert len(fw_broker.ran) == 4
    [dead] = fw_broker.dead
    assert dead.args == (42,)


class AskedOfTheResponse(Exception):  # noqa: N818 - named after what is odd about it
    """Hands every question on to a response that nobody gave it, so without an end."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.response, name)


def test_an_error_whose_attributes_fail_is_retried_like_any_other(fw_broker):
    """Nothing that an error does when it is looked at takes the place of the policy."""

    @task_framework(retries=2, backoff=1, jitter=0)
    def work() -> None:
        raise AskedOfTheResponse("no answer")

    work.delay()
    for _ in range(3):
        fw_broker.drain()
        fw_broker.advance(1)

    assert len(fw_broker.ran) == 3
    [dead] = fw_broker.dead
    assert "AskedOfTheResponse" in str(dead)


class Broken(logging.Handler):
    """A team's own handler that fails."""

    def emit(self, record: logging.LogRecord) -> None:
        raise OSError("no log server")


def test_a_success_that_cannot_be_logged_is_a_success(fw_broker, caplog):
    """The line of an attempt is about its outcome, and no part of it."""

    @task_framework
    def work() -> str:
        return "done"

    sent = work.delay()
    handler = Broken()
    logging.getLogger("fw.task").addHandler(handler)
    try:
        with caplog.at_level(logging.INFO, "fw.task"):
            fw_broker.drain()
    finally:
        logging.getLogger("fw.task").removeHandler(handler)

    assert sent.get(timeout=0) == "done"


def test_running_later_100_times_uses_up_no_retry(fw_broker):
    """The 101st time it ends as a failure."""

    @task_framework(retries=0)
    def wait_for_file() -> None:
        raise RetryLater(10)

    wait_for_file.delay()
    for _ in range(100):
        fw_broker.run_next()
        assert [message.attempt for message in fw_broker.waiting] == [1]
        fw_broker.advance(10)
    fw_broker.run_next()

    assert not fw_broker.waiting
    assert [ran.outcome for ran in fw_broker.ran] == ["later"] * 100 + ["failed"]


def test_retries_and_laters_are_counted_apart(fw_broker):
    plan = iter([RetryLater(5), OSError(), RetryLater(5), OSError()])

    @task_framework(retries=2, backoff=1, jitter=0)
    def work() -> str:
        error = next(plan, None)
        if error is not None:
            raise error
        return "done"

    result = work.delay()
    for _ in range(4):
        fw_broker.run_next()
        fw_broker.advance(10)
    fw_broker.run_next()

    assert [ran.outcome for ran in fw_broker.ran] == [
        "later",
        "retry",
        "later",
        "retry",
        "succeeded",
    ]
    assert result.get(timeout=0) == "done"


def test_a_retry_stays_in_the_queue_that_the_call_chose(fw_broker):
    """In plain Celery it goes to the task's own queue, and may vanish."""

    @task_framework(queue="bulk")
    def other() -> None: ...

    @task_framework(retries=1, backoff=1, jitter=0)
    def work() -> None:
        raise OSError

    sent = work.options(queue="bulk").delay()
    fw_broker.run_next()

    [waiting] = fw_broker.waiting
    assert (waiting.queue, waiting.id, waiting.attempt) == ("bulk", sent.id, 2)


def test_an_attempt_knows_its_number_and_its_message(fw_broker):
    seen = []

    @task_framework(retries=1, backoff=1, jitter=0, timeout=60)
    def work() -> None:
        seen.append(current_attempt())
        raise OSError

    sent = work.delay()
    fw_broker.run_next()
    fw_broker.advance(1)
    started = fw_broker.clock.now()
    fw_broker.run_next()

    assert [(attempt.number, attempt.of) for attempt in seen] == [(1, 2), (2, 2)]
    assert {attempt.task_id for attempt in seen} == {sent.id}
    assert {attempt.queue for attempt in seen} == {"default"}
    assert {attempt.task for attempt in seen} == {work.name}
    assert seen[0].message_id
    assert seen[1].deadline == started + timedelta(seconds=60)


def test_give_up_is_a_dead_letter_at_once(fw_broker):
    @task_framework(retries=5)
    def work() -> None:
        raise GiveUp("the order was cancelled")

    work.delay()
    fw_broker.run_next()

    [dead] = fw_broker.dead
    assert "the order was cancelled" in dead.error
    assert not fw_broker.waiting


def test_an_attempt_after_expires_is_not_run_and_leaves_a_result(fw_broker):
    ran = []

    @task_framework
    def work() -> None:
        ran.append(1)

    result = work.options(expires=60, delay=30).delay()
    fw_broker.advance(61)
    fw_broker.drain()

    assert not ran
    assert result.state == "FAILURE"
    assert "had to start by" in str(result.error)
    assert len(fw_broker.dead) == 1


def test_an_attempt_before_expires_is_run(fw_broker):
    ran = []

    @task_framework(expires=60)
    def work() -> None:
        ran.append(1)

    work.delay()
    fw_broker.advance(59)
    fw_broker.drain()

    assert ran == [1]


@pytest.mark.parametrize("error", [Ignore, lambda: Reject("no", requeue=False)])
def test_celerys_own_control_exceptions_are_not_retried(fw_broker, error):
    @task_framework(retries=5)
    def work() -> None:
        raise error()

    work.delay()
    fw_broker.run_next()

    assert not fw_broker.waiting


# Tries


@pytest.mark.parametrize(
    ("retries", "laters", "tries"),
    [
        (None, None, Tries()),
        (2, 7, Tries(retries=2, laters=7)),
        ("2", "7", Tries()),
        (-1, -5, Tries()),
        (1.5, {}, Tries()),
    ],
)
def test_headers_that_make_no_sense_count_as_nothing(retries, laters, tries):
    headers = {LATERS: laters}

    assert attempts.tries_of(request(retries=retries, headers=headers)) == tries


def test_a_message_without_headers_is_a_first_attempt():
    assert attempts.tries_of(request(headers=None)) == Tries()


# What only the main process knows


@pytest.mark.parametrize(
    "error", [WorkerDied(task="t", cause="signal 9"), TimedOut(task="t", seconds=1)]
)
def test_a_lost_attempt_follows_the_tasks_policy(error):
    outcome = attempts.decide_lost(FakeTask(), request(retries=1), error)

    assert outcome == RetryIn(9.0, 9.0, error)


def test_a_task_that_is_always_lost_ends():
    died = WorkerDied(task="t", cause="signal 9")

    assert isinstance(attempts.decide_lost(FakeTask(), request(retries=3), died), GaveUp)


# Expires


@pytest.mark.parametrize("expires", [None, "", "2026-01-01T12:00:00+00:00", NOON])
def test_what_may_still_start_has_not_expired(expires):
    assert attempts._expired(FakeTask(), request(expires=expires)) is None


@pytest.mark.parametrize(
    "expires",
    ["2026-01-01T11:59:59+00:00", "2026-01-01T12:59:59+01:00", NOON - timedelta(seconds=1)],
)
def test_what_comes_too_late_has_expired(expires):
    outcome = attempts._expired(FakeTask(), request(expires=expires))

    assert isinstance(outcome, GaveUp)


@pytest.mark.parametrize("expires", ["2026-01-01T11:59:59", datetime(2026, 1, 1, 11)])
def test_an_expires_without_a_time_zone_is_utc(expires):
    assert isinstance(attempts._expired(FakeTask(), request(expires=expires)), GaveUp)
