"""Short tasks sent to a process several at a time: what each of them can expect all the same."""

from __future__ import annotations

import json
import time

import pytest

TEAM = """
import os, signal, time
from pathlib import Path
from fw_core import task_framework

def note(text):
    with open("runs", "a") as file:
        file.write(f"{text}\\n")

@task_framework(retries=0)
def work(number: int, what: str = "") -> int:
    if what == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "takes long":
        note("long begins")
        while not Path("go").exists():
            time.sleep(0.01)
    note(number)
    return number

def send(count, what, *numbers):
    calls = work.delay_many([(n, what if n in numbers else "") for n in range(count)])
    print("\\n".join(call.id for call in calls))
"""

COUNT = 3_000
"""Enough for a worker to see that they are short, and to have many of them waiting."""


@pytest.fixture
def place(place):
    place.write(TEAM)
    return place


def send(place, what: str, *numbers: int) -> list[str]:
    sent = place.run_python(f"import team; team.send({COUNT}, {what!r}, *{numbers})")
    return sent.stdout.split()


def runs(place) -> list[str]:
    path = place.path / "runs"
    return path.read_text().splitlines() if path.exists() else []


def wait_for(condition, worker) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, worker.log
        time.sleep(0.05)


def test_of_those_sent_with_one_that_kills_its_process_each_other_runs_once(place):
    sent = send(place, "dies", 2_000, 2_500)
    worker = place.start("worker", "--concurrency", "2").ready()
    for number in (COUNT - 1, 2_000, 2_500):
        done = place.run("result", sent[number], "--wait", "--json", code=None)
        assert json.loads(done.stdout)["attempts"] == 1
    place.wait_until_empty()
    died = {"2000", "2500"}
    assert sorted(runs(place), key=int) == [str(n) for n in range(COUNT) if str(n) not in died]

    def dead() -> set[str]:
        letters = json.loads(place.run("dead", "list", "--json").stdout)["letters"]
        return {letter["call"] for letter in letters}

    wait_for(lambda: len(dead()) >= 2, worker)
    assert dead() == {sent[2_000], sent[2_500]}


def test_no_short_task_waits_behind_a_long_one(place):
    """Of the same name, so that nobody can know before."""
    send(place, "takes long", 2_000)
    worker = place.start("worker", "--concurrency", "2").ready()
    wait_for(lambda: len(runs(place)) == COUNT, worker)
    assert "2000" not in runs(place)
    (place.path / "go").touch()
    wait_for(lambda: "2000" in runs(place), worker)
    place.wait_until_empty()
    assert sorted(set(runs(place)) - {"long begins"}, key=int) == [str(n) for n in range(COUNT)]
    assert len(runs(place)) == COUNT + 1


def test_a_worker_that_stops_runs_each_once_or_leaves_it_to_another(place):
    send(place, "")
    first = place.start("worker", "--concurrency", "2").ready()
    wait_for(lambda: len(runs(place)) > 20, first)
    assert first.stop() == 0
    second = place.start("worker", "--concurrency", "2").ready()
    wait_for(lambda: len(runs(place)) >= COUNT, second)
    place.wait_until_empty()
    assert sorted(runs(place), key=int) == [str(n) for n in range(COUNT)]
