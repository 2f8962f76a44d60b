"""Dead letters whose error callbacks find a full queue, on RabbitMQ and PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest
from collected import letters, wait_for_letters, wait_until

from fw_core.attempt.failure import TaskError
from fw_core.attempt.outcome import Cause
from fw_core.broker.app import App
from fw_core.headers import DEAD
from fw_testing.services import Services
from fw_worker.dead_letters.death import Death
from fw_worker.dead_letters.inbox import HELD
from fw_worker.dead_letters.process import CollectorProcess

STUCK = HELD + 50


def post(services: Services, names: list[str], *, alert: str | None) -> None:
    """Publish dead letters that are still to be settled, as a worker does."""
    app = services.app
    queue = app.topology.queue_name(alert or "")
    callback = {"task": "team.alert", "args": [], "kwargs": {}, "options": {"queue": queue}}
    embed = {"errbacks": [callback]} if alert else {}
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        app.topology.declare_base(channel)
        for name in names:
            death = Death(
                cause=Cause.RETRIES_SPENT,
                reason="the only attempt failed",
                error=TaskError("ConnectionError", "no route"),
                at=app.now(),
                attempts=1,
                queue="default",
            )
            message = channel.prepare_message(
                json.dumps([[name], {}, embed]),
                content_type="application/json",
                content_encoding="utf-8",
                headers={"task": "team.work", "id": name, DEAD: death.to_header()},
                properties={"message_id": f"message-{name}", "delivery_mode": 2},
            )
            channel.basic_publish_confirm(message, app.topology.dead, "default")


def collected(app: App) -> list[str]:
    """The calls in the table."""
    return [letter.task_id or "" for letter in letters(app)]


def later(app: App) -> set[str]:
    """Those that died when the others were stuck."""
    return {call for call in collected(app) if call.startswith("later")}


@pytest.fixture
def full(fw_services: Services) -> str:
    """A queue that takes nothing, until the policy is gone."""
    management = fw_services.management
    if management is None:
        pytest.skip("no management API makes a queue full")
    topology = fw_services.app.topology
    name = topology.queue_name("alerts")
    with fw_services.app.connection_for_write() as connection:
        channel = connection.default_channel
        topology.declare_base(channel)
        topology.declare_queue(channel, name)
        policy = {"pattern": f"^{name}$", "definition": {"max-length": 1}, "apply-to": "queues"}
        management.call("PUT", f"policies/{management._vhost}/full", policy)
        filler = channel.prepare_message("[]", properties={"delivery_mode": 2})

        def is_full() -> bool:
            try:
                channel.basic_publish_confirm(filler, topology.tasks, name)
            except Exception:
                return True
            return False

        wait_until(is_full, lambda: "the queue is not full", 20)
    return "alerts"


@pytest.fixture
def collector(fw_services: Services) -> Iterator[CollectorProcess]:
    process = CollectorProcess(fw_services.app)
    process.start()
    yield process
    process.stop()


@pytest.mark.timeout(480)  # each of them is refused again, by a broker that may be busy
def test_what_cannot_be_settled_yet_is_passed_by_and_collected_once(
    fw_services: Services, full: str, collector: CollectorProcess
) -> None:
    """More of them than a collector may hold, and it is killed while they make room."""
    app, management = fw_services.app, fw_services.management
    stuck = [f"stuck-{number}" for number in range(STUCK)]
    post(fw_services, stuck, alert=full)
    post(fw_services, ["last"], alert=None)
    wait_until(lambda: "last" in collected(app), lambda: collected(app), 90)

    for number in range(3):
        assert collector.pid is not None
        os.kill(collector.pid, signal.SIGKILL)
        collector.stop()
        collector.start()
        post(fw_services, [f"later-{number}"], alert=None)
        wait_until(
            lambda each=number: f"later-{each}" in collected(app), lambda: collected(app), 90
        )
    passed = {"last", *later(app)}
    assert len(collected(app)) < STUCK / 2  # a full queue takes a few of each new connection

    management.call("DELETE", f"policies/{management._vhost}/full")
    wait_for_letters(app, STUCK + len(passed), seconds=90)
    assert sorted(collected(app)) == sorted([*stuck, *passed])
    wait_until(lambda: fw_services.count("fw.dead") == 0, lambda: fw_services.count("fw.dead"))
