"""Short tasks sent to a process several at a time: what each of them can expect all the same."""

from __future__ import annotations

import json
import time

import pytest

from fw_worker.ahead.answers import MOST_TOGETHER

TEAM = """
import os, signal, time
from pathlib import Path
from fw_core import task_framework

def note(text):
    with open("runs", "a") as file:
        file.write(f"{text}\\n")

@task_framework(retries=0, ignore_result=True)
def work(number: int, what: str = "") -> int:
    if what == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "takes long":
        note("long begins")
        while not Path("go").exists():
            time.sleep(0.01)
    note(number)
    return number

@task_framework(retries=0)
def keep(number: int, what: str = "") -> int:
    return work(number, what)

def send(task, count, what, *numbers):
    calls = task.delay_many([(n, what if n in numbers else "") for n in range(count)])
    print("\\n".join(call.id for call in calls))
"""

COUNT = 3_000
"""Enough for a worker to see that they are short, and to have many of them waiting."""


@pytest.fixture
def place(place):
    place.write(TEAM)
    return place


def send(place, what: str, *numbers: int, task: str = "work") -> list[str]:
    words = f"team.{task}, {COUNT}, {what!r}, *{numbers}"
    sent = place.run_python(f"import team; team.send({words})")
    return sent.stdout.split()


def runs(place) -> list[str]:
    path = place.path / "runs"
    return path.read_text().splitlines() if path.exists() else []


def wait_for(condition, worker) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, worker.log
        time.sleep(0.05)


def results(place, ids: list[str]) -> list[list[int]]:
    """What each call returned, as soon as it is stored, and its attempts."""
    (place.path / "ids").write_text(json.dumps(ids))
    program = (
        "import json, team; ids = json.load(open('ids'));"
        "found = [team.keep.result(id) for id in ids];"
        "print(json.dumps([[each.get(timeout=60), each.attempts] for each in found]))"
    )
    return json.loads(place.run_python(program).stdout)


def dead(place) -> dict[str, int]:
    """The attempts of each dead letter, by the id of its call."""
    letters = json.loads(place.run("dead", "list", "--json").stdout)["letters"]
    return {letter["call"]: letter["attempts"] for letter in letters}


def test_of_those_sent_with_one_that_kills_its_process_each_other_runs_once(place):
    sent = send(place, "dies", 2_000, 2_500)
    worker = place.start("worker", "--concurrency", "2").ready()
    wait_for(lambda: len(runs(place)) >= COUNT - 2 and len(dead(place)) >= 2, worker)
    place.wait_until_empty()
    others = [str(n) for n in range(COUNT) if n not in {2_000, 2_500}]
    assert sorted(runs(place), key=int) == others
    assert dead(place) == {sent[2_000]: 1, sent[2_500]: 1}


def test_with_a_process_go_no_results_and_only_a_few_attempts_are_repeated(place):
    """Those whose results were to be stored together."""
    sent = send(place, "dies", 2_000, task="keep")
    worker = place.start("worker", "--concurrency", "2").ready()
    wait_for(lambda: len(set(runs(place))) >= COUNT - 1 and dead(place), worker)
    place.wait_until_empty()
    assert dead(place) == {sent[2_000]: 1}
    assert len(runs(place)) - len(set(runs(place))) <= 2 * MOST_TOGETHER
    others = [number for number in range(COUNT) if number != 2_000]
    found = results(place, [sent[number] for number in others])
    assert found == [[number, 1] for number in others]


def test_the_result_of_a_short_task_does_not_wait_for_a_long_one(place):
    sent = send(place, "takes long", 2_000, task="keep")
    worker = place.start("worker", "--concurrency", "1").ready()
    wait_for(lambda: "long begins" in runs(place), worker)
    assert results(place, sent[:2_000]) == [[number, 1] for number in range(2_000)]
    assert "2000" not in runs(place)
    (place.path / "go").touch()


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
