"""What works in the fake because it is production's own code: one claim a feature."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from celery import group

from fw_core import TASK_REGISTRY, TaskFailed, UnknownTaskError, task_framework
from fw_core.broker.app import App
from fw_core.client import current_app
from fw_testing import Eager, FakeBroker, VirtualClock


class Answer:
    """An HTTP response, as httpx and requests attach it to their errors."""

    def __init__(self, status_code: int, **headers: str) -> None:
        self.status_code = status_code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class HTTPError(Exception):
    """Carries the response."""

    def __init__(self, response: Answer) -> None:
        super().__init__(f"status {response.status_code}")
        self.response = response


# sent by name


def test_a_task_can_be_sent_by_its_name(fw_eager: Eager) -> None:
    """As Celery's own users do."""

    @task_framework(name="shop.double")
    def double(number: int) -> int:
        return 2 * number

    app: App = current_app()
    sent = app.send_task("shop.double", (21,))
    assert double.result(sent.id).get() == 42
    fw_eager.assert_sent("shop.double", 21)


def test_a_name_that_nobody_declared_is_refused_where_it_is_sent(fw_eager: Eager) -> None:
    """Its message would wait for ever."""
    with pytest.raises(UnknownTaskError):
        current_app().send_task("shop.trible", (21,))
    assert fw_eager.sent == []


def test_a_group_of_names_runs(fw_eager: Eager) -> None:
    """From the registry."""

    @task_framework(name="shop.half")
    def half(number: int) -> int:
        return number // 2

    task: Any = TASK_REGISTRY["shop.half"]
    sent = group(task.s(2), task.s(4)).apply_async()
    assert [half.result(each.id).get() for each in sent.children] == [1, 2]


# async def


def test_an_async_body_runs_is_retried_and_dies_like_others(fw_eager: Eager) -> None:
    """Plain Celery would report a success without running it."""

    @task_framework(retries=1, backoff=3)
    async def fetch(url: str) -> str:
        raise ConnectionError(url)

    fetch.delay("http://here")
    fw_eager.assert_retried(fetch, waits=[3])
    fw_eager.assert_dead(fetch, error="ConnectionError: http://here")


# priority and expires


def test_priorities_have_two_levels(fw_broker: FakeBroker) -> None:
    """As quorum queues: above 4 goes first, else as sent; the message says which it has."""

    @task_framework(priority=9)
    def urgent(number: int) -> int:
        return number

    @task_framework
    def normal(number: int) -> int:
        return number

    normal.delay(1)
    normal.options(priority=4).delay(2)
    urgent.delay(3)
    normal.options(priority=5).delay(4)
    fw_broker.assert_sent(urgent, 3, priority=9)
    assert [ran.result for ran in fw_broker.drain()] == [3, 4, 1, 2]


@pytest.mark.parametrize("late", [False, True])
def test_a_call_is_run_until_it_expires(fw_broker: FakeBroker, late: bool) -> None:
    """At its moment it still is."""

    @task_framework
    def news() -> str:
        return "new"

    result = news.options(expires=60).delay()
    fw_broker.advance(60.5 if late else 60)
    fw_broker.drain()
    assert result.state == ("FAILURE" if late else "SUCCESS")
    assert [dead.cause for dead in fw_broker.dead] == ["expired"] * late


def test_a_retry_that_would_come_too_late_is_not_run(fw_eager: Eager) -> None:
    """A call's end is one moment, whatever it waits for."""

    @task_framework(backoff=100, jitter=0)
    def news() -> None:
        raise ConnectionError

    news.options(expires=60).delay()
    assert fw_eager.assert_dead(news).cause == "expired"
    assert fw_eager.waits == [100]


# results


def test_a_result_that_json_cannot_carry_is_a_failure(fw_eager: Eager) -> None:
    """Another attempt could not change it, so there is none."""

    @task_framework
    def locks() -> Any:
        return threading.Lock()

    result = locks.delay()
    with pytest.raises(TaskFailed, match="ReturnError"):
        result.get()
    assert fw_eager.assert_dead(locks).cause == "no-result"
    assert len(fw_eager.ran) == 1


def test_a_result_that_nobody_reads_may_be_anything(fw_eager: Eager) -> None:
    """The work is done."""

    @task_framework(ignore_result=True)
    def locks() -> Any:
        return threading.Lock()

    locks.delay()
    assert [ran.outcome for ran in fw_eager.ran] == ["succeeded"]


# Retry-After


@pytest.mark.parametrize("status", [429, 503])
def test_what_another_service_asks_for_is_waited_for(fw_eager: Eager, status: int) -> None:
    """Never shorter than the policy's own wait, never longer than an hour."""
    asked = iter(["120", "1", "86400"])

    @task_framework(retries=3, backoff=[30], jitter=0)
    def ask() -> None:
        raise HTTPError(Answer(status, Retry_After=next(asked, "0")))

    ask.delay()
    fw_eager.assert_retried(ask, waits=[120, 30, 3600])


def test_a_date_to_retry_after_is_one_of_the_virtual_clock(
    fw_eager: Eager, fw_clock: VirtualClock
) -> None:
    """Whatever year it is outside."""
    assert fw_clock.now() == datetime(2026, 1, 1, 12, tzinfo=UTC)

    @task_framework(retries=1, backoff=1, jitter=0)
    def ask() -> None:
        date = format_datetime(fw_clock.now() + timedelta(seconds=90), usegmt=True)
        raise HTTPError(Answer(503, Retry_After=date))

    ask.delay()
    fw_eager.assert_retried(ask, waits=[90])


def test_other_answers_are_retried_by_the_policy(fw_eager: Eager) -> None:
    """A header of a 500 means nothing."""

    @task_framework(retries=1, backoff=3, jitter=0)
    def ask() -> None:
        raise HTTPError(Answer(500, Retry_After="120"))

    ask.delay()
    fw_eager.assert_retried(ask, waits=[3])
