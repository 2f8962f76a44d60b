"""A worker that has stopped taking messages notices, and takes them again; nothing else alarms it.

They wait for what takes a worker up to half a minute to notice, so each takes that long.
"""

from __future__ import annotations

import time
from urllib.parse import urlsplit, urlunsplit

import pytest
from kombu import Connection, Consumer, Queue
from tcp_proxy import Proxy

from fw_worker.health.report import look

TASKS = """
import threading, time
from celery import signals
from fw_core import task_framework

@task_framework
def greet(name: str) -> str:
    return f"Hello {name}"

@task_framework
def nap(seconds: float) -> str:
    time.sleep(seconds)
    return "rested"
"""

LOSES_ITS_CONSUMERS = """
@signals.worker_ready.connect
def lose(sender, **_):
    '''The broker forgets the consumers, and the worker is not told.'''
    if sender.restart_count:
        return
    def cancel():
        for tag in sender.task_consumer._active_tags.values():
            sender.task_consumer.channel.basic_cancel(tag, nowait=True)
    sender.hub.call_later(1, cancel)
"""

GETS_ITS_CHANNEL_CLOSED = """
@signals.worker_ready.connect
def err(sender, **_):
    '''The broker closes the channel for it, as it does at its consumer timeout.'''
    if not sender.restart_count:
        sender.hub.call_later(1, sender.task_consumer.channel.basic_ack, 99999)
"""

HANGS = """
@signals.worker_ready.connect
def hang(sender, **_):
    sender.hub.call_later(1, time.sleep, 600)
"""

NOTICED_SECONDS, HEALED_SECONDS = 32.0, 60.0  # 30, and what a poll and a busy machine add


@pytest.fixture
def place(place, fw_services):
    """The test's own vhost and database, and a health file."""
    place.write(TASKS)
    place.env |= {
        "FW_BROKER_URL": fw_services.broker_url,
        "FW_DATABASE_URL": fw_services.database_url,
        "FW_PREFIX": fw_services.settings.prefix,
        "FW_HEALTH_FILE": str(place.path / "health"),
    }
    return place


def trouble(place):
    return look(place.path / "health", now=time.time())[1]


def wait_for(condition, seconds, worker):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, worker.log
        time.sleep(0.1)


def heals(place, worker):
    """It is unhealthy in time, and healthy again in time, and runs what waits."""
    wait_for(lambda: "connecting again" in worker.log, NOTICED_SECONDS, worker)
    wait_for(lambda: worker.log.count("Ready") + worker.log.count("Connected") > 2, 60, worker)
    wait_for(lambda: not trouble(place), HEALED_SECONDS, worker)
    assert place.run("send", "team.greet", "Ada", "--wait").stdout == "Hello Ada\n"
    assert worker.stop() == 0
    assert "Traceback" not in worker.log


def test_a_connection_that_goes_silent_is_noticed(place):
    """No byte comes through, and nobody closes anything."""
    real = urlsplit(place.env["FW_BROKER_URL"])
    proxy = Proxy(real.hostname, real.port or 5672)
    try:
        netloc = f"{real.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}"
        url = urlunsplit(real._replace(netloc=netloc))
        worker = place.start("worker", "--concurrency", "1", FW_BROKER_URL=url).ready()
        wait_for(lambda: not trouble(place), 20, worker)
        proxy.drop()
        heals(place, worker)
    finally:
        proxy.close()


def test_a_queue_that_is_deleted_is_made_again(place, fw_services):
    """The broker cancels the consumer."""
    if fw_services.management is None:
        pytest.skip("no management API deletes the queue")
    worker = place.start("worker", "--concurrency", "1").ready()
    vhost, name = fw_services.management._vhost, f"{fw_services.settings.prefix}default"
    fw_services.management.call("DELETE", f"queues/{vhost}/{name}")
    heals(place, worker)


def test_a_channel_that_the_broker_closes_is_opened_again(place):
    place.write(TASKS + GETS_ITS_CHANNEL_CLOSED)
    worker = place.start("worker", "--concurrency", "1").ready()
    heals(place, worker)
    assert "unknown delivery tag" in worker.log


def test_consumers_that_the_broker_has_lost_are_made_again(place):
    """The connection is fine, and no message comes."""
    place.write(TASKS + LOSES_ITS_CONSUMERS)
    worker = place.start("worker", "--concurrency", "1").ready()
    heals(place, worker)
    assert "does not know any more that queue" in worker.log


def test_messages_that_wait_although_there_is_room_are_noticed(place, fw_services):
    """Another worker has its fill, so that the queue does have a consumer."""
    place.write(TASKS + LOSES_ITS_CONSUMERS)
    worker = place.start("worker", "--concurrency", "1").ready()
    name = f"{fw_services.settings.prefix}default"
    with Connection(fw_services.broker_url) as connection:
        time.sleep(2)  # the consumers of the worker are lost by now
        full = Consumer(connection, [Queue(name, no_declare=True)], callbacks=[lambda *_: None])
        full.qos(prefetch_count=1)
        full.consume()
        place.send("greet('Ada')", "greet('Ben')")
        wait_for(lambda: "connecting again" in worker.log, NOTICED_SECONDS + 10, worker)
        assert "wait in queue" in worker.log
        wait_for(lambda: "team.greet attempt 1" in worker.log, HEALED_SECONDS, worker)


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_an_event_loop_that_hangs_ends_the_worker(place, pool):
    """Its supervisor starts another; the health check is red before that."""
    place.write(TASKS + HANGS)
    worker = place.start("worker", "--pool", pool, "--concurrency", "1").ready()
    wait_for(lambda: trouble(place), NOTICED_SECONDS, worker)
    assert worker.process.wait(NOTICED_SECONDS) == 1
    assert "The worker hangs" in worker.log
    assert "sleep" in worker.log or "hub.py" in worker.log


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_long_task_with_a_full_worker_and_a_full_queue_is_no_alarm(place, pool):
    worker = place.start("worker", "--pool", pool, "--concurrency", "1").ready()
    place.send("nap(38)", *["greet('Ada')"] * 8)
    wait_for(lambda: "running" not in trouble(place) and "nap attempt" in worker.log, 60, worker)
    assert trouble(place) == ""
    wait_for(lambda: worker.log.count("greet attempt 1 of 4 succeeded") == 8, 60, worker)
    assert worker.log.count("Connected") == 1
    assert worker.stop() == 0
