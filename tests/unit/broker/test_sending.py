"""What a message carries, and what is refused before there is one."""

from __future__ import annotations

import pytest
from celery import chain

from fw_core import NotSent, OptionError, UnknownQueueError, UnknownTaskError, task_framework
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
