"""``fw_broker``: nothing runs until the test says so, and then as in production."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from celery import _state, signals
from celery.worker import state as worker_state

from fw_core import (
    TASK_REGISTRY,
    BlockingInTask,
    GiveUp,
    ResultTimeout,
    RetryLater,
    TaskFailed,
    current_attempt,
    task_framework,
)
from fw_core.broker import local
from fw_core.client import current_app
from fw_testing import FakeBroker, VirtualClock, fake_broker
from fw_testing.errors import NeverAtRest, NothingReady


def test_a_call_waits_until_it_is_told_to_run(fw_broker: FakeBroker) -> None:
    """Sending is all that delay() does."""
    ran: list[int] = []

    @task_framework
    def note(number: int) -> None:
        ran.append(number)

    note.delay(1)
    assert ran == []
    fw_broker.run_next()
    assert ran == [1]


def test_first_sent_runs_first_also_across_queues(fw_broker: FakeBroker) -> None:
    """One worker, one message at a time, in the order of becoming ready."""

    @task_framework
    def here(number: int) -> int:
        return number

    @task_framework(queue="bulk")
    def there(number: int) -> int:
        return number

    here.delay(1), there.delay(2), here.delay(3)
    assert [ran.result for ran in fw_broker.drain()] == [1, 2, 3]


def test_high_priority_goes_first(fw_broker: FakeBroker) -> None:
    """Two levels: above 4, or not."""

    @task_framework
    def note(number: int) -> int:
        return number

    note.delay(1)
    note.options(priority=7).delay(2)
    assert [ran.result for ran in fw_broker.drain()] == [2, 1]


def test_a_retry_waits_in_virtual_time_only(fw_broker: FakeBroker) -> None:
    """It is not ready before its time, and the error says what to do."""

    @task_framework(retries=1, backoff=3, jitter=0)
    def fails() -> None:
        raise ConnectionError

    fails.delay()
    fw_broker.drain()
    with pytest.raises(NothingReady, match=r"fw_broker\.advance\(3\)"):
        fw_broker.run_next()
    fw_broker.advance(timedelta(seconds=2.9))
    assert fw_broker.drain() == []
    fw_broker.advance(0.1)
    [last] = fw_broker.drain()
    assert (last.attempt, last.outcome) == (2, "failed")


def test_ctrl_c_in_a_task_ends_the_test_and_not_the_attempt(
    fw_broker: FakeBroker, at_the_keyboard: None
) -> None:
    """Whoever stops a run of tests is not told that a task has failed."""

    @task_framework
    def is_interrupted() -> None:
        raise KeyboardInterrupt

    is_interrupted.delay()
    with pytest.raises(KeyboardInterrupt):
        fw_broker.run_next()
    assert fw_broker.dead == []


def test_what_never_comes_is_told_at_once(fw_broker: FakeBroker) -> None:
    """A test does not wait a real minute for what only runs when it is told to."""

    @task_framework
    def note() -> None: ...

    with pytest.raises(ResultTimeout):
        note.delay().get(timeout=60)


def test_a_dead_letter_has_its_arguments_and_its_error(fw_broker: FakeBroker) -> None:
    """What an operator would see."""

    @task_framework(queue="mail")
    def send(address: str, *, subject: str) -> None:
        raise GiveUp("no such mailbox")

    send.delay("a@b", subject="hi")
    fw_broker.drain()
    [dead] = fw_broker.dead
    assert (dead.args, dead.kwargs, dead.queue) == (("a@b",), {"subject": "hi"}, "mail")
    assert "no such mailbox" in dead.error


def test_run_later_costs_no_attempt(fw_broker: FakeBroker) -> None:
    """RetryLater waits; the number of the attempt stays."""
    numbers: list[int] = []

    @task_framework(retries=0)
    def polls() -> str:
        numbers.append(current_attempt().number)
        if len(numbers) < 3:
            raise RetryLater(10)
        return "there"

    result = polls.delay()
    fw_broker.drain()
    fw_broker.advance(10)
    fw_broker.drain()
    fw_broker.advance(10)
    fw_broker.drain()
    assert result.get() == "there"
    assert numbers == [1, 1, 1]


def test_a_call_that_expired_is_dead_with_a_result(fw_broker: FakeBroker) -> None:
    """The worker decides, so that there is a result."""

    @task_framework(expires=60)
    def news() -> None: ...

    result = news.delay()
    fw_broker.advance(61)
    fw_broker.drain()
    with pytest.raises(TaskFailed, match="had to start by"):
        result.get()
    assert len(fw_broker.dead) == 1


def test_a_message_that_was_delivered_before_says_so(fw_broker: FakeBroker) -> None:
    """As after the crash of a worker."""
    seen: list[bool] = []

    @task_framework
    def note() -> None:
        seen.append(current_attempt().redelivered)

    note.delay()
    store = local.store_at(current_app().broker_url)
    owner = store.register_owner()
    store.claim(owner, "default")
    store.remove_owner(owner, counted=True)
    fw_broker.drain()
    assert seen == [True]


def test_waiting_for_a_result_inside_a_task_is_refused(fw_broker: FakeBroker) -> None:
    """As in production, where it can leave every worker waiting."""

    @task_framework
    def inner() -> None: ...

    @task_framework(retries=0)
    def outer() -> None:
        inner.delay().get()

    result = outer.delay()
    fw_broker.drain()
    with pytest.raises(TaskFailed, match="inside a running task"):
        result.get()
    assert result.error is not None
    assert result.error.type.endswith(BlockingInTask.__name__)


def test_tasks_that_send_each_other_for_ever_are_an_error(fw_broker: FakeBroker) -> None:
    """Not a test that hangs."""

    @task_framework
    def again() -> None:
        again.delay()

    again.delay()
    with pytest.raises(NeverAtRest, match="After 50 attempts"):
        fw_broker.drain(most=50)


def test_nothing_is_left_behind() -> None:
    """No task, no app, no message, no listener, no thread."""
    before = (
        set(TASK_REGISTRY),
        len(signals.after_task_publish.receivers),
        _state._tls.current_app,
        _state.task_join_will_block(),
        len(worker_state.requests),
        threading.active_count(),
    )
    with fake_broker() as broker:

        @task_framework(retries=1)
        def fails() -> None:
            raise ValueError

        result = fails.delay()
        url = current_app().broker_url
        broker.drain()
    after = (
        set(TASK_REGISTRY),
        len(signals.after_task_publish.receivers),
        _state._tls.current_app,
        _state.task_join_will_block(),
        len(worker_state.requests),
        threading.active_count(),
    )
    assert after == before
    assert local.store_at(url).queues() == []
    local.forget(url.rpartition("/")[2])
    with fake_broker():
        assert fails.result(result.id).state == "PENDING"


def test_time_only_moves_forward() -> None:
    """A clock that went back would make nothing due."""
    with pytest.raises(ValueError, match="forward"):
        VirtualClock().advance(-1)
