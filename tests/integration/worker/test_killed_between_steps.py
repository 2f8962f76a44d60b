"""A process that is killed between two steps of settling: nothing is lost, ids stay the same.

The worker's own code is made to kill its process once, at a point that the test names: right
after the body, after the result is stored, after what follows is sent, and so on.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

TEAM = """
import os, signal
from pathlib import Path
from celery import chain
from fw_core import current_attempt, task_framework
from fw_core.broker.task import FrameworkTask
from fw_worker import settle

POINT, WHO = os.environ["KILL_AT"], os.environ["KILL_WHO"]

def note(*words):
    with open("journal", "a") as journal:
        print(*words, file=journal, flush=True)

def kill(task):
    if task.startswith("team.first") and not Path("killed").exists():
        Path("killed").touch()
        # Its children die with a worker.
        os.kill(os.getpid() if WHO == "child" else os.getppid(), signal.SIGKILL)
        signal.pause()

def around(owner, name, point, task_of):
    original = getattr(owner, name)
    def wrapped(*args, **kwargs):
        if POINT == f"before {point}":
            kill(task_of(*args))
        result = original(*args, **kwargs)
        if POINT == f"after {point}":
            kill(task_of(*args))
        return result
    setattr(owner, name, wrapped)

if POINT:
    name_of = lambda self, *_: self._task.name
    around(settle.Settling, "_keep", "result", name_of)
    around(settle.Settling, "_succeeded", "follow-ups", name_of)
    around(FrameworkTask, "send_again", "retry", lambda task, *_: task.name)
    around(settle, "try_to_settle_failure", "failure", lambda app, failed, request: request.task)
    around(settle, "bury", "dead letter", lambda app, raw, death: raw.headers["task"])

@task_framework(retries=2, backoff=[0.1])
def first(data: str) -> str:
    note("first", current_attempt().task_id)
    return data + "!"

@task_framework(retries=2, backoff=[0.1])
def first_fails_once(data: str) -> str:
    note("first", current_attempt().task_id)
    if len(Path("journal").read_text().splitlines()) == 1:
        raise OSError("once")
    return data + "!"

@task_framework(retries=0)
def first_and_last(data: str) -> str:
    note("first", current_attempt().task_id)
    return data + "!"

@task_framework(retries=0)
def first_fails(data: str) -> str:
    note("first", current_attempt().task_id)
    raise ValueError("no such order")

@task_framework
def second(data: str) -> str:
    note("second", current_attempt().task_id)
    return data + "?"
"""

SEND = """
import json, team
from celery import chain
from fw_core import TASK_REGISTRY
task = TASK_REGISTRY["team." + {name!r}]
sent = chain(task.s("x"), team.second.s()).apply_async()
print(json.dumps([sent.parent.id, sent.id]))
"""


@pytest.fixture
def world(place: Any) -> Any:
    place.write(TEAM)
    return place


def send(place: Any, name: str) -> tuple[str, str]:
    first, second = json.loads(
        place.run_python(SEND.format(name=name), KILL_AT="", KILL_WHO="").stdout
    )
    return first, second


def run(place: Any, name: str, point: str, who: str) -> tuple[str, str, list[list[str]]]:
    """Run a workflow whose first step is killed once; its ids and who ran."""
    ids = send(place, name)
    kill = {"KILL_AT": point, "KILL_WHO": who}
    worker = place.start("worker", "--concurrency", "1", **kill)
    if who == "worker":
        worker.process.wait(60)
        worker = place.start("worker", "--concurrency", "1", **kill)
    result = place.run("result", ids[1], "--wait", "--json", "--timeout", "60", code=None)
    assert result.returncode in (0, 1), result.stderr
    worker.ready()
    place.wait_until_empty()
    assert worker.stop() == 0
    assert (place.path / "killed").exists()
    journal = (place.path / "journal").read_text().splitlines()
    return *ids, [line.split() for line in journal]


@pytest.mark.parametrize("who", ["child", "worker"])
@pytest.mark.parametrize(
    ("point", "bodies"),
    [
        ("before result", ["first", "first", "second"]),  # nobody could know that it had run
        ("after result", ["first", "second"]),
        ("after follow-ups", ["first", "second"]),
    ],
)
def test_a_workflow_whose_first_step_is_killed_comes_to_its_end(world, point, bodies, who):
    """What is stored is not run again, and what follows is run once however often it is sent."""
    first, second, journal = run(world, "first", point, who)

    assert journal == [[body, first if body == "first" else second] for body in bodies]
    ended = json.loads(world.run("result", second, "--json").stdout)
    assert (ended["state"], ended["result"]) == ("SUCCESS", "x!?")


@pytest.mark.parametrize("point", ["after result", "after follow-ups"])
def test_a_step_that_is_stored_before_its_last_attempt_is_killed_has_succeeded(world, point):
    """Its process could not report it, but it is in the database: its workflow goes on."""
    first, second, journal = run(world, "first_and_last", point, "child")

    assert journal == [["first", first], ["second", second]]
    ended = json.loads(world.run("result", second, "--json").stdout)
    assert (ended["state"], ended["result"]) == ("SUCCESS", "x!?")
    dead = json.loads(world.run("dead", "list", "--json").stdout)
    assert (dead["total"], dead["uncollected"]) == (0, 0)


@pytest.mark.parametrize("who", ["child", "worker"])
def test_a_retry_that_was_sent_and_not_acknowledged_loses_nothing(world, who):
    first, second, journal = run(world, "first_fails_once", "after retry", who)

    assert [body for body, _ in journal].count("second") == 1
    assert {task_id for _, task_id in journal} == {first, second}
    assert json.loads(world.run("result", second, "--json").stdout)["result"] == "x!?"


@pytest.mark.parametrize("point", ["after failure", "after dead letter"])
def test_a_failure_that_was_stored_and_not_acknowledged_stays_a_failure(world, point):
    first, second, journal = run(world, "first_fails", point, "worker")

    assert journal == [["first", first]] * 2
    for task_id in (first, second):  # what was to follow fails with it
        ended = json.loads(world.run("result", task_id, "--json", code=None).stdout)
        assert ended["state"] == "FAILURE"


POISON = """
import os, signal
from fw_core import task_framework

@task_framework(retries=5)
def poison() -> None:
    with open("journal", "a") as journal:
        print("started", file=journal, flush=True)
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()
"""


def test_a_task_that_ends_its_whole_worker_is_run_four_times_and_fails(place: Any) -> None:
    """Nobody is left to count; so the next worker counts before it starts it."""
    place.write(POISON)
    call = json.loads(place.run("send", "team.poison", "--json").stdout)["id"]
    for _ in range(4):
        place.start("worker", "--concurrency", "1").process.wait(60)
    last = place.start("worker", "--concurrency", "1").ready()
    place.wait_until_empty()
    assert last.stop() == 0

    assert (place.path / "journal").read_text() == "started\n" * 4
    ended = json.loads(place.run("result", call, "--json", code=1).stdout)
    assert ended["state"] == "FAILURE"
    assert "DeliveredTooOften" in ended["error"]["type"]
