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

CANNOT_GO_ON = """
threading.Thread(target=threading.Event().wait).start()

@signals.worker_ready.connect
def fail(sender, **_):
    def cannot():
        raise MemoryError
    sender.hub.call_later(1, cannot)
"""

TWO_QUEUES = """
@task_framework(queue="a")
def nap_in_a(seconds: float) -> None:
    time.sleep(seconds)

@task_framework(queue="b")
def nap_in_b(seconds: float) -> None:
    time.sleep(seconds)
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


def has_heard_from_the_broker(place):
    """One that asks for a new prefetch waits for the answer, and is ended instead."""
    report, wrong = look(place.path / "health", now=time.time())
    return report is not None and not wrong and None not in report.queues.values()


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
        wait_for(lambda: has_heard_from_the_broker(place), 30, worker)
        proxy.drop()
        heals(place, worker)
    finally:
        proxy.close()


@pytest.mark.parametrize("queue", ["default", "fw.workflows"])
def test_a_queue_that_is_deleted_is_made_again(place, fw_services, queue):
    """The broker cancels the consumer."""
    if fw_services.management is None:
        pytest.skip("no management API deletes the queue")
    worker = place.start("worker", "--concurrency", "1").ready()
    vhost, name = fw_services.management._vhost, f"{fw_services.settings.prefix}{queue}"
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


def test_a_worker_that_cannot_go_on_ends_although_a_thread_does_not(place):
    """Its supervisor would wait for the end of the process for ever."""
    place.write(TASKS + CANNOT_GO_ON)
    worker = place.start("worker", "--pool", "threads").ready()
    assert worker.process.wait(NOTICED_SECONDS + 10) == 1


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_long_task_with_a_full_worker_and_a_full_queue_is_no_alarm(place, pool):
    worker = place.start("worker", "--pool", pool, "--concurrency", "1").ready()
    place.send("nap(38)", *["greet('Ada')"] * 8)
    wait_for(lambda: "running" not in trouble(place) and "nap attempt" in worker.log, 60, worker)
    assert trouble(place) == ""
    wait_for(lambda: worker.log.count("greet attempt 1 of 4 succeeded") == 8, 60, worker)
    assert worker.log.count("Connected") == 1
    assert worker.stop() == 0


def test_what_waits_behind_messages_in_a_busy_solo_worker_is_no_alarm(place):
    """Its loop reads one message, runs it, and reads on: the broker's answers wait for a minute."""
    place.env |= {"FW_QUEUES": "default,a,b"}
    place.write(TASKS + TWO_QUEUES)
    worker = place.start("worker", "--pool", "solo").ready()
    wait_for(lambda: has_heard_from_the_broker(place), 30, worker)
    place.send(*["nap_in_a(4)", "nap_in_b(4)"] * 6)
    wait_for(lambda: worker.log.count("attempt 1 of 4 succeeded") == 12, 90, worker)
    assert worker.log.count("Connected") == 1
    assert worker.stop() == 0
