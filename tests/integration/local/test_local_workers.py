"""What real workers on the local transport keep when they are killed, stopped or crowded."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from .conftest import Yard

pytestmark = pytest.mark.timeout(180)

PRODUCER = """
import os, sys
from local_worker_app import BROKER, make_app

app = make_app(os.environ[BROKER])
first = int(sys.argv[1])
for number in range(first, first + 100):
    app.send_task("record", (number,))
"""


def is_running(process: str) -> bool:
    stat = Path("/proc", process, "stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_task_whose_worker_is_killed_is_run_once_more_by_another(yard: Yard, pool: str):
    gate = yard.directory / "gate"
    first = yard.start_worker(pool)
    yard.send("hold", str(gate))
    yard.wait_until(lambda: len(yard.lines("started")) == 1, "the task runs")
    yard.start_worker(pool)
    [[runner, *_]] = yard.lines("started")

    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    yard.wait_until(lambda: not is_running(runner), "the killed worker's child is gone")
    yard.wait_until(lambda: len(yard.lines("started")) == 2, "the other worker runs it")
    gate.touch()
    yard.wait_until(yard.is_empty, "the task is done")

    [once, again] = yard.lines("started")
    assert once[1:] == ["False", "None"]
    assert again[1:] == ["True", "1"]
    assert yard.lines("ended") == [[again[0]]]


def test_a_task_whose_only_worker_is_killed_runs_when_a_worker_starts(yard: Yard):
    gate = yard.directory / "gate"
    first = yard.start_worker("solo")
    yard.send("hold", str(gate))
    yard.wait_until(lambda: len(yard.lines("started")) == 1, "the task runs")
    first.kill()
    first.wait()
    assert yard.queue().owned == 1

    gate.touch()
    yard.start_worker("solo")
    yard.wait_until(yard.is_empty, "the task is done")

    assert [line[1] for line in yard.lines("started")] == ["False", "True"]


def test_a_delayed_message_waits_in_the_broker_and_survives_its_worker(yard: Yard):
    first = yard.start_worker("threads")
    due = time.time() + 4
    yard.send("record", 1, countdown=due - time.time())
    yard.send("record", 2)
    yard.wait_until(lambda: len(yard.lines("record")) == 1, "the worker has looked at both")
    yard.wait_until(
        lambda: (yard.queue().delayed, yard.queue().owned) == (1, 0),
        "the broker has the delayed one, and the other is settled",
    )

    first.kill()
    first.wait()
    yard.start_worker("threads")
    yard.wait_until(yard.is_empty, "the delayed task is done")

    [_, [number, ran]] = yard.lines("record")
    assert number == "1"
    assert due - 0.05 <= float(ran)


def test_many_producers_and_workers_share_one_file_without_losing_or_doubling(yard: Yard):
    producers = [yard.start("-c", PRODUCER, str(first)) for first in range(0, 400, 100)]
    yard.start_worker("prefork")
    yard.start_worker("threads")
    yard.start_worker("solo")

    assert [producer.wait(60) for producer in producers] == [0] * 4
    yard.wait_until(yard.is_empty, "all tasks are done")

    assert sorted(int(number) for number, _ in yard.lines("record")) == list(range(400))
    assert "locked" not in yard.logs()
    assert "Traceback" not in yard.logs()


def test_a_rejected_task_becomes_a_dead_letter(yard: Yard):
    yard.start_worker("solo")
    yard.send("refuse")
    yard.wait_until(lambda: yard.queue("dead").ready == 1, "the dead letter arrives")

    [dead] = yard.store.messages("dead")
    assert dead.headers["task"] == "refuse"
    assert dead.headers["x-first-death-reason"] == "rejected"
    assert yard.is_empty()


def test_a_task_that_kills_its_child_every_time_ends_at_the_delivery_limit(yard: Yard):
    yard.start_worker("prefork", children=1)
    yard.send("die")
    yard.wait_until(lambda: yard.queue("dead").ready == 1, "the dead letter arrives")

    [dead] = yard.store.messages("dead")
    assert dead.headers["x-first-death-reason"] == "delivery_limit"
    assert len(yard.lines("died")) == 4


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_that_is_asked_to_stop_ends_its_task_and_gives_the_rest_back(
    yard: Yard, pool: str
):
    gate = yard.directory / "gate"
    worker = yard.start_worker(pool, children=1)
    yard.send("hold", str(gate))
    yard.wait_until(lambda: len(yard.lines("started")) == 1, "the task runs")
    for number in range(6):
        yard.send("record", number)
    yard.wait_until(lambda: yard.queue().owned == 4, "the worker has fetched ahead")

    worker.terminate()
    yard.wait_until(lambda: "Warm shutdown" in yard.logs(), "the worker begins to stop")
    gate.touch()
    worker.wait(60)

    left = yard.store.messages("work")
    assert len(yard.lines("ended")) == 1
    assert len(left) + len(yard.lines("record")) == 6
    assert len(left) >= 3
    assert {(message.state, message.returns) for message in left} == {("ready", 0)}


def test_remote_control_reaches_every_worker(yard: Yard):
    yard.start_worker("prefork")
    yard.start_worker("solo")

    replies = yard.app.control.inspect(timeout=5, limit=2).ping()

    assert replies == {"w0@test": {"ok": "pong"}, "w1@test": {"ok": "pong"}}


def test_a_worker_follows_when_the_file_is_replaced(yard: Yard):
    """Somebody cleaned up: what waited is gone, but nobody works in a file that nobody sees."""
    yard.start_worker("threads")
    for file in yard.path.parent.glob("broker.db*"):
        file.unlink()
    yard.wait_until(
        lambda: yard.path.exists() and "Connected to" in yard.logs().partition("replaced")[2],
        "the worker has noticed",
    )

    with yard.app.connection_for_write() as connection:
        for queue in yard.app.amqp.queues.values():
            queue(connection.default_channel).declare()
    yard.send("record", 1)
    yard.wait_until(lambda: len(yard.lines("record")) == 1, "the task is done")


def test_a_worker_that_forks_new_children_all_the_time_loses_nothing(yard: Yard):
    """Each fork closes the file and opens it again, between two messages."""
    for number in range(60):
        yard.send("record", number)
    yard.start_worker("prefork", "--max-tasks-per-child", "5")
    yard.wait_until(yard.is_empty, "all tasks are done")

    assert sorted(int(number) for number, _ in yard.lines("record")) == list(range(60))
    assert "Traceback" not in yard.logs()
