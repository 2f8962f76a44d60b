"""Plans on real workers: the whole of one, and what is left of it when its worker is killed."""

from __future__ import annotations

import json
from typing import Any

import pytest

TEAM = """
import logging, time
from pathlib import Path
from fw_core import Each, Sequence, execute_dynamic_workflow, register_task, task_framework

def note(text):
    with open("runs", "a") as file:
        file.write(f"{text}\\n")

@register_task("numbers")
def numbers(count: int) -> list[int]:
    note("numbers")
    return list(range(count))

@register_task("square")
def square(number: int) -> int:
    note(f"square {number}")
    return number * number

@register_task("wobbly")
@task_framework(retries=3, backoff=[0.2])
def wobbly(number: int) -> int:
    note(f"wobbly {number}")
    if len([line for line in Path("runs").read_text().splitlines() if line.startswith("wob")]) < 3:
        raise OSError("not yet")
    return number

@register_task("waits")
def waits(number: int) -> int:
    note(f"waits {number}")
    logging.getLogger("team").warning("%d has begun", number)
    while not Path("go").exists():
        time.sleep(0.01)
    return number

@register_task("picky")
@task_framework(retries=0)
def picky(number: int) -> int:
    note(f"picky {number}")
    if number == 2 and not Path("mended").exists():
        raise ValueError("2 is bad")
    return number

@register_task("total")
def total(numbers: list[int]) -> int:
    note("total")
    return sum(numbers)

@register_task("grow")
def grow(total: int, by: int) -> int:
    return total + by

PLAN = ["numbers", {"each": "square"}, "total",
        {"if": {"greater_than": 10}, "then": [{"task": "grow", "args": {"by": 1}}, "wobbly"]}]
SLOW = ["numbers", {"each": "waits"}, "total"]
BROKEN = ["numbers", {"each": "picky"}, "total"]

def start(plan, data):
    print(execute_dynamic_workflow(plan, data).id)

def outcome(id):
    from fw_core import TASK_REGISTRY
    print(TASK_REGISTRY["total"].result(id).get(timeout=60))
"""


@pytest.fixture
def place(place):
    place.write(TEAM)
    return place


def start(place, plan: str, data: int) -> str:
    return place.run_python(f"import team; team.start(team.{plan}, {data})").stdout.strip()


def outcome(place, call: str) -> int:
    return json.loads(place.run_python(f"import team; team.outcome({call!r})").stdout)


def runs(place) -> list[str]:
    path = place.path / "runs"
    return path.read_text().splitlines() if path.exists() else []


def test_a_plan_runs_to_its_end_although_a_step_fails_twice(place):
    call = start(place, "PLAN", 5)
    place.start("worker", "--concurrency", "2").ready()
    assert outcome(place, call) == 31
    ran = runs(place)
    assert sorted(line for line in ran if line.startswith("square")) == [
        f"square {number}" for number in range(5)
    ]
    assert (ran.count("numbers"), ran.count("total"), ran.count("wobbly 31")) == (1, 1, 3)


def test_a_worker_that_is_killed_in_a_join_leaves_it_to_the_next_one(place):
    """The members that ran are run again; what waits for them runs once."""
    call = start(place, "SLOW", 6)
    worker = place.start("worker", "--concurrency", "2").ready()
    worker.wait_for("1 has begun")
    worker.kill()
    (place.path / "go").touch()
    place.start("worker", "--concurrency", "2").ready()
    assert outcome(place, call) == 15
    assert runs(place).count("total") == 1
    assert {line for line in runs(place) if line.startswith("waits")} == {
        f"waits {number}" for number in range(6)
    }


def workflow(place, *arguments: str) -> Any:
    """What ``fw workflow`` says, read as JSON."""
    return json.loads(place.run("workflow", *arguments, "--json").stdout)


def test_a_failed_workflow_is_continued_by_hand(place, wait_until):
    """Its failed step is named at once, while another one of the join runs; the rest is kept."""
    call = start(place, "BROKEN", 4)
    worker = place.start("worker", "--concurrency", "2").ready()
    worker.wait_for("given up")
    wait_until(lambda: workflow(place, "show", call)["state"] == "failed", "it fails")
    shown = workflow(place, "show", call)
    assert shown["failed_step"] == "steps[1].each[2]"
    assert shown["error"]["message"] == "2 is bad"
    (place.path / "mended").touch()
    letters = lambda: json.loads(place.run("dead", "list", "--json").stdout)["letters"]  # noqa: E731
    wait_until(lambda: bool(letters()), "its dead letter is collected")
    assert workflow(place, "retry", call)["again"] == ["steps[1].each[2]"]
    assert outcome(place, call) == 6
    states = {step["path"]: step["state"] for step in workflow(place, "show", call)["steps"]}
    assert set(states.values()) == {"succeeded"}
    assert sorted(runs(place)) == sorted(
        ["numbers", "total", *(f"picky {n}" for n in (0, 1, 2, 2, 3))]
    )


def test_a_cancelled_workflow_begins_nothing_more(place, wait_until):
    call = start(place, "SLOW", 4)
    worker = place.start("worker", "--concurrency", "1").ready()
    worker.wait_for("0 has begun")
    assert workflow(place, "cancel", call) == {"id": call, "cancelled": True}
    (place.path / "go").touch()
    done = {"succeeded", "cancelled"}
    wait_until(
        lambda: (
            len(steps := workflow(place, "show", call)["steps"]) == 5
            and {step["state"] for step in steps} == done
        ),
        "all of its steps have ended",
    )
    assert workflow(place, "show", call)["state"] == "cancelled"
    assert runs(place) == ["numbers", "waits 0"]
    [listed] = workflow(place, "list", "--state", "cancelled")
    assert listed["id"] == call
