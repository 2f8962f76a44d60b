"""What a message carries, and what is refused before there is one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import chain, chord

from fw_core import (
    CallError,
    NotSent,
    OptionError,
    UnknownQueueError,
    UnknownTaskError,
    task_framework,
)
from fw_core.broker import local
from fw_core.client import current_app
from fw_testing import FakeBroker


def test_a_queue_of_a_call_by_celerys_own_form_is_checked(fw_broker: FakeBroker) -> None:
    """A typo would make a queue that nobody reads."""

    @task_framework(queue="billing")
    def pay(invoice: int) -> None: ...

    pay.apply_async((1,), queue="default")
    assert fw_broker.sent[0].queue == "default"
    with pytest.raises(UnknownQueueError, match="Did you mean 'billing'"):
        pay.apply_async((1,), queue="biling")
    with pytest.raises(UnknownQueueError):
        chain(pay.si(1).set(queue="biling"))()


def test_a_task_sent_by_a_name_that_nobody_declared_is_refused(fw_broker: FakeBroker) -> None:
    """``send_task`` in plain Celery takes any name."""

    @task_framework(name="billing.pay")
    def pay() -> None: ...

    with pytest.raises(UnknownTaskError, match=r"Did you mean 'billing\.pay'"):
        current_app().send_task("billing.pya")
    assert not fw_broker.sent


def test_a_message_brings_no_time_limit(fw_broker: FakeBroker) -> None:
    """One sent before a deployment would bring the timeout of the old code."""

    @task_framework(timeout=10)
    def pay() -> None: ...

    pay.delay()
    [view] = local.store_at(current_app().broker_url).messages("default")
    assert view.headers["timelimit"] == [None, None]


def test_many_calls_cannot_share_an_id(fw_broker: FakeBroker) -> None:
    """Calls with one id are one call."""

    @task_framework
    def pay(invoice: int) -> None: ...

    with pytest.raises(OptionError, match="id='x'"):
        pay.options(id="x").delay_many([(1,), (2,)])


def test_who_sends_many_calls_hears_how_many_are_sent(fw_broker: FakeBroker) -> None:
    @task_framework
    def pay(invoice: int) -> None: ...

    told: list[int] = []
    pay.options(priority=7).delay_many([(1,), (2,), (3,)], told.append)
    assert told == [1, 2, 3]


def test_arguments_above_the_limit_are_refused_with_advice(fw_broker: FakeBroker) -> None:
    """128 KiB unless set otherwise."""

    @task_framework
    def store(text: str) -> None: ...

    with pytest.raises(TypeError, match="take 131,") as raised:
        store.delay("x" * 131_072)
    assert "store the data and send where it is" in str(raised.value)
    store.delay("x" * 130_000)
    assert len(fw_broker.sent) == 1


def test_a_call_waits_for_a_free_connection_and_then_says_so(fw_broker: FakeBroker) -> None:
    """More threads than connections, all busy: nothing was queued."""

    @task_framework
    def pay() -> None: ...

    app = current_app()
    app.conf.broker_pool_acquire_timeout = 0.01
    busy = [app.amqp.producer_pool.acquire(block=True) for _ in range(app.conf.broker_pool_limit)]
    with pytest.raises(NotSent, match="all connections of this process were busy"):
        pay.delay()
    for producer in busy:
        producer.release()
    pay.delay()


# Large messages by Celery's own forms


def store_task() -> Any:
    @task_framework
    def store(text: str) -> str: ...

    return store


LARGE = "x" * 70_000


@pytest.mark.parametrize(
    "send",
    [
        lambda store: current_app().send_task(store.name, (LARGE * 2,)),
        lambda store: store.s(LARGE * 2).delay(),
        lambda store: store.apply_async((LARGE * 2,)),
        lambda store: chain(store.si(LARGE), store.si(LARGE))(),
        lambda store: store.s("a").apply_async(link=store.si(LARGE * 2)),
        lambda store: chord([store.si("a")], store.si(LARGE * 2))(),
    ],
    ids=["by name", "signature", "apply_async", "chain", "callback", "chord"],
)
def test_a_message_above_the_limit_is_refused_in_every_form(
    fw_broker: FakeBroker, send: Callable[[Any], Any]
) -> None:
    """The steps that follow travel along, so they count."""
    with pytest.raises(CallError, match="bytes as JSON, more than 131,072"):
        send(store_task())
    assert not fw_broker.sent


def test_a_result_too_large_for_the_next_step_ends_no_step_that_is_done(
    fw_broker: FakeBroker,
) -> None:
    @task_framework
    def make() -> str:
        return LARGE * 2

    chain(make.s(), store_task().s())()
    outcomes = [ran.outcome for ran in fw_broker.drain()]

    assert outcomes[0] == "succeeded"


# Delays by Celery's own forms


@pytest.mark.parametrize(
    "delay",
    [
        {"countdown": -1},
        {"countdown": 366 * 86_400},
        {"countdown": float("nan")},
        {"countdown": "5"},
        {"eta": datetime(2100, 1, 1, tzinfo=UTC)},
        {"eta": "tomorrow"},
        {"eta": 5},
    ],
    ids=str,
)
def test_a_delay_that_cannot_be_kept_is_refused_in_every_form(
    fw_broker: FakeBroker, delay: dict[str, Any]
) -> None:
    """From 0.1 s to a year, here as in options(delay=...)."""
    store = store_task()
    for send in (
        lambda: store.apply_async(("a",), **delay),
        lambda: store.s("a").set(**delay).delay(),
        lambda: store.s("a").apply_async(**delay),
        chain(store.s("a").set(**delay), store.s()),
        lambda: current_app().send_task(store.name, ("a",), **delay),
    ):
        with pytest.raises(OptionError, match="must be"):
            send()
    assert not fw_broker.sent


def test_a_moment_that_has_passed_means_now(fw_broker: FakeBroker) -> None:
    store_task().apply_async(("a",), eta=fw_broker.clock.now() - timedelta(days=1))

    assert fw_broker.sent[0].delay == timedelta(0)
    assert fw_broker.run_next() is not None


def test_a_next_step_with_an_impossible_delay_runs_with_the_nearest(fw_broker: FakeBroker) -> None:
    """Refused in the worker, it would break a workflow whose step is done."""

    @task_framework
    def first() -> str:
        return "a"

    chain(first.s(), store_task().s().set(countdown=-5))()
    outcomes = [ran.outcome for ran in fw_broker.drain()]

    assert outcomes == ["succeeded", "succeeded"]


# Where a signature goes


def test_a_signature_says_where_its_task_waits(fw_broker: FakeBroker) -> None:
    """A worker that does not know the task sends it as a next step all the same."""

    @task_framework(queue="billing", priority=7)
    def pay() -> None: ...

    for signature in (pay.s(), pay.si()):
        assert signature.options["queue"] == "billing"
        assert signature.options["priority"] == 7
    pay.s().set(queue="default").delay()
    assert fw_broker.sent[0].queue == "default"


def test_a_next_step_that_this_worker_does_not_know_is_sent_to_its_queue(
    fw_broker: FakeBroker,
) -> None:
    """Teams deploy workers of their own; the step that is done stays done."""

    @task_framework
    def first() -> int:
        return 7

    app = current_app()
    elsewhere = app.signature("elsewhere.pay", queue="elsewhere")
    result = chain(first.s(), elsewhere)()
    [ran] = fw_broker.drain()  # this worker takes every queue, and refuses what it does not know

    assert ran.outcome == "succeeded"
    [unknown] = fw_broker.dead
    assert (unknown.task, unknown.queue, unknown.id) == ("elsewhere.pay", "elsewhere", result.id)


def test_a_body_that_sends_by_an_unknown_name_is_told(fw_broker: FakeBroker) -> None:
    """Its own mistake, as anywhere else."""

    @task_framework(retries=0)
    def first() -> None:
        current_app().send_task("elsewhere.pay")

    first.delay()
    [ran] = fw_broker.drain()

    assert isinstance(ran.error, UnknownTaskError)
