"""Delays and retries wait in the broker, keep their queue and hold up nobody."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from collected import wait_for_letters
from live_tasks import fails, in_bulk, started_at, waits_long, where_am_i

from fw_core import client
from fw_testing.services import Services, StartWorker


def test_retries_stay_in_the_queue_of_the_task(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """Two retries, each through a wait queue, come back to where the call was sent."""
    fw_live_worker("live_tasks", queues=["bulk"])
    result = where_am_i.options(queue="bulk").delay(3)
    assert result.get(timeout=20) == "bulk"
    assert result.attempts == 3
    assert fw_services.count("default") == 0


def test_a_delay_is_kept_to_a_fifth_of_a_second(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """2.35 s is no step of the wait queues: the message goes through two of them."""
    fw_live_worker("live_tasks")
    due = time.time() + 2.35
    started = started_at.options(delay=2.35).delay().get(timeout=20)
    assert due <= started + 0.01
    assert started < due + 1


def test_a_delayed_message_outlives_every_worker(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """Nothing is held in a worker's memory."""
    first = fw_live_worker("live_tasks")
    result = fails.options(delay=3).delay(0)
    first.kill()
    fw_live_worker("live_tasks")
    assert result.get(timeout=20) == 1


def test_a_message_whose_queue_is_gone_holds_up_no_other(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """It becomes a dead letter; the next one in the same wait queue arrives on time."""
    fw_live_worker("live_tasks", queues=["default"])  # which declares every queue as it starts
    in_bulk.options(delay=1).delay()
    with fw_services.app.connection_for_write() as connection:
        connection.default_channel.queue_delete("bulk")
    assert fails.options(delay=1).delay(0).get(timeout=20) == 1
    wait_for_letters(fw_services.app, 1)


@pytest.mark.parametrize("seconds", [1.0, 1.25])
def test_a_foreign_clients_eta_is_obeyed(
    fw_services: Services, fw_live_worker: StartWorker, seconds: float
) -> None:
    """Plain Celery sends the message at once and the time in a header."""
    fw_live_worker("live_tasks")
    due = datetime.now(UTC) + timedelta(seconds=seconds)
    app = fw_services.app
    with app.producer_or_acquire() as producer:
        letter = app.amqp.letter(
            queue="default",
            due=None,
            body="[[], {}, {}]",
            content_type="application/json",
            content_encoding="utf-8",
            headers={"task": "live_tasks.started_at", "id": "foreign", "eta": due.isoformat()},
        )
        app.amqp.post(producer, letter)
    started = client.current_app().AsyncResult("foreign").get(timeout=20)
    assert started >= due.timestamp()


@pytest.mark.usefixtures("at_one_moment")
def test_a_delay_between_two_steps_is_kept_without_a_worker(fw_services: Services) -> None:
    """4.05 s: a long wait queue, then a short one, to where the broker itself takes it."""
    sent = time.monotonic()
    in_bulk.options(delay=4.05).delay()
    assert fw_services.count("fw.long.3900") == 1
    _wait_for(fw_services, "bulk")
    assert time.monotonic() - sent >= 4.05


@pytest.mark.usefixtures("at_one_moment")
def test_a_rest_whose_wait_queue_is_gone_is_not_lost(fw_services: Services) -> None:
    """It comes to its queue too early; a worker sends it on for what is left."""
    in_bulk.options(delay=4.05).delay()
    with fw_services.app.connection_for_write() as connection:
        connection.default_channel.queue_delete("fw.wait.200")
    _wait_for(fw_services, "bulk")


@pytest.mark.usefixtures("at_one_moment")
def test_the_way_out_of_a_long_wait_is_made_again_by_whoever_starts(
    fw_services: Services,
) -> None:
    """Somebody deleted the exchange; no call with such a delay has to come to mend it."""
    in_bulk.options(delay=4.05).delay()
    with fw_services.app.connection_for_write() as connection:
        connection.default_channel.exchange_delete("fw.rest")
        fw_services.app.topology.declare_base(connection.default_channel)  # as a worker does
    _wait_for(fw_services, "bulk")


def test_retries_pass_the_same_two_wait_queues_again_and_keep_their_queue(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """RabbitMQ drops what expires in one queue twice; each retry's message is a fresh one."""
    fw_live_worker("live_tasks", queues=["bulk"])
    result = waits_long.options(queue="bulk").delay(3)
    assert result.get(timeout=40) == "bulk"
    assert fw_services.count("fw.long.3900") == 0


def _wait_for(services: Services, queue: str) -> None:
    deadline = time.monotonic() + 20
    while services.count(queue) != 1 and time.monotonic() < deadline:
        pass
    assert services.count(queue) == 1


@pytest.mark.usefixtures("at_one_moment")
def test_wait_queues_never_expire(fw_services: Services) -> None:
    """RabbitMQ counts a queue without a consumer as unused, and takes its messages along."""
    in_bulk.options(delay=30).delay()
    if fw_services.management is None:
        pytest.skip("needs the management API: set FW_TEST_MANAGEMENT_URL")
    arguments = fw_services.management.arguments("fw.wait.30000")
    assert arguments["x-message-ttl"] == 30_000
    assert "x-expires" not in arguments
    assert arguments["x-queue-type"] == "quorum"
    assert arguments["x-dead-letter-strategy"] == "at-least-once"
