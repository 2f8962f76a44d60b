"""One call may differ from the others: ``task.options(...)`` comes before ``.delay(...)``."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from fw_core import ResultIgnored, TaskFailed, task_framework


def test_a_task_has_a_queue_and_a_call_may_take_another(fw_broker):
    """A queue exists as soon as one task is declared with it."""

    @task_framework(queue="mail")
    def send_mail(address: str) -> None: ...

    @task_framework
    def process_order(order_id: int) -> None: ...

    send_mail.delay("ada@example.org")
    process_order.options(queue="mail").delay(42)
    process_order.delay(43)

    assert [message.queue for message in fw_broker.sent] == ["mail", "mail", "default"]


def test_a_call_may_start_later(fw_broker):
    """The delay is kept by the broker, not in a worker's memory."""
    done = []

    @task_framework
    def send_reminder(order_id: int) -> None:
        done.append(order_id)

    send_reminder.options(delay=timedelta(minutes=5)).delay(42)
    fw_broker.drain()
    assert done == []

    fw_broker.advance(timedelta(minutes=5))
    fw_broker.drain()
    assert done == [42]


def test_a_call_with_a_high_priority_goes_first(fw_broker):
    """There are two levels: above 4 goes first."""
    done = []

    @task_framework
    def process_order(order_id: int) -> None:
        done.append(order_id)

    process_order.delay(1)
    process_order.options(priority=7).delay(2)
    fw_broker.drain()

    assert done == [2, 1]


def test_a_call_that_would_start_too_late_is_not_run(fw_broker):
    """It ends as a dead letter with a result that says so."""
    done = []

    @task_framework
    def send_offer(customer: int) -> None:
        done.append(customer)

    result = send_offer.options(expires=60).delay(42)
    fw_broker.advance(61)
    fw_broker.drain()

    assert done == []
    assert result.error.type == "fw_core.Expired"
    assert len(fw_broker.dead) == 1


def test_expires_can_be_a_moment(fw_broker, fw_clock):
    """A datetime needs a time zone; the clock of the tests starts at noon, 1 January 2026."""

    @task_framework
    def send_offer(customer: int) -> str:
        return "sent"

    assert fw_clock.now() == datetime(2026, 1, 1, 12, tzinfo=UTC)
    until = datetime(2026, 1, 1, 13, tzinfo=UTC)
    result = send_offer.options(expires=until).delay(42)
    fw_broker.drain()

    assert result.get() == "sent"


def test_a_call_may_bring_its_own_id(fw_broker):
    """Sending again with the same id says that it is the same call: it has one result."""

    @task_framework
    def process_order(order_id: int) -> str:
        return f"Order {order_id} processed"

    result = process_order.options(id="order-42").delay(42)
    fw_broker.drain()

    assert result.id == "order-42"
    assert process_order.result("order-42").get() == "Order 42 processed"


@pytest.mark.fw_clock(move_sleep=True)  # nobody waits: the virtual clock moves instead
def test_a_run_that_takes_too_long_is_stopped(fw_eager):
    """A timeout counts as a failed attempt; 5 minutes unless the task says something else."""

    @task_framework(timeout=60, retries=1)
    def slow() -> None:
        time.sleep(600)

    result = slow.delay()

    with pytest.raises(TaskFailed, match=r"timeout of 60 s"):
        result.get()
    assert len(fw_eager.ran) == 2


def test_a_task_whose_result_nobody_reads_keeps_none(fw_eager):
    """``ignore_result=True`` saves a row for each success; a failure is always kept."""

    @task_framework(ignore_result=True, retries=0)
    def process_order(order_id: int) -> str:
        if order_id < 0:
            raise ValueError("no such order")
        return f"Order {order_id} processed"

    with pytest.raises(ResultIgnored):
        process_order.delay(42).get()
    with pytest.raises(TaskFailed, match="no such order"):
        process_order.delay(-1).get()
