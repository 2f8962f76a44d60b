"""``fw demo`` runs, is always the same, and touches nothing of yours."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from fw_worker import demo

SEED = """
@task_framework(retries=5, backoff=3, ignore_result=True)
def process_order(order_id):
    print(f"Processing order: {order_id}")
    if random.random() < 0.3:
        raise Exception("Order processing failed")
    return f"Order {order_id} processed"

@register_task("task1")
@task_framework(retries=3)
def task1(data):
    print(f"Task1 processing: {data}")
    return f"Task1 result: {data}"

@register_task("task2")
@task_framework(retries=2)
def task2(data):
    print(f"Task2 processing: {data}")
    return f"Task2 result: {data}"
"""


def test_the_demo_happens_as_it_says(place):
    """One retry after 3 s, one after 1 s, a result, a workflow, two refusals, a good end."""
    report = json.loads(place.run("demo", "--json").stdout)
    assert report["ok"] is True
    assert report["error"] is None
    assert report["seconds"] < 30
    steps = {step["step"]: step for step in report["steps"]}
    assert list(steps) == [
        "declare", "worker", "retry", "result", "workflow", "unknown task", "wrong argument",
        "stop",
    ]  # fmt: skip
    assert 3.0 <= steps["retry"]["waited"] < 10
    assert steps["retry"]["retries"] == 1
    assert steps["result"]["attempts"] == 2
    assert steps["result"]["result"] == "49.9 collected for order 7"
    assert steps["workflow"]["result"] == "Task2 result: Task1 result: Sample Data"
    assert steps["unknown task"]["nearest"] == ["task2"]
    assert steps["stop"]["exit_code"] == 0


def test_the_demo_tells_what_happens_and_ignores_your_settings(place):
    """A broker that does not exist, a broken pyproject.toml: the demo has a place of its own."""
    (place.path / "pyproject.toml").write_text("[tool.fw]\nno_such_setting = 1\n")
    done = place.run("demo", FW_BROKER_URL="amqp://nowhere.invalid//", FW_REQUIRE_SERVERS="1")
    for said in (
        "worker prints: Processing order: 7",
        "attempt 1 of 6 failed: Exception: Order processing failed",
        "attempt 2 of 6 succeeded",
        "Did you mean 'task2'",
        "argument 'order_id' must be int, got 'seven'",
        "All of it happened as said",
    ):
        assert said in done.stdout
    assert done.stderr == ""
    assert not (place.path / ".fw").exists()


def test_a_demo_whose_worker_cannot_start_exits_with_1_and_shows_why(place):
    """What it says is what happened."""
    (place.path / "sitecustomize.py").write_text(
        "import sys\nif 'worker' in sys.argv: raise SystemExit('no worker today')\n"
    )
    done = place.run("demo", code=1, PYTHONPATH=str(place.path))
    assert "expected that the worker is ready; instead: the worker ended" in done.stderr
    assert "no worker today" in done.stdout


def test_the_example_is_the_one_that_its_user_wrote():
    """Nothing is changed but the import."""
    shop = (Path(demo.__file__).parent / "example" / "shop.py").read_text()
    functions = [n for n in ast.parse(shop).body if not isinstance(n, (ast.Import, ast.ImportFrom))]
    assert [ast.dump(n) for n in functions] == [ast.dump(n) for n in ast.parse(SEED).body]


@pytest.mark.parametrize("word", ["celery", "Celery"])
def test_the_demo_has_no_word_that_a_newcomer_must_know(word):
    """What it prints is made of the story's own texts."""
    story = (Path(demo.__file__).parent / "story.py").read_text()
    assert not re.search(rf"\b{word}\b", story)
