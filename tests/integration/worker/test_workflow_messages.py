"""Workflows started by plain messages, by real workers on the local transport."""

from __future__ import annotations

import json
from typing import Any

import pytest

POOLS = ["prefork", "threads", "solo"]

TEAM = """
import time
from pathlib import Path
from fw_core import register_task, task_framework

@register_task("note")
def note(text: str) -> str:
    with open("runs", "a") as file:
        file.write(f"{text}\\n")
    return text

@register_task("shout")
def shout(text: str) -> str:
    return note(text.upper())

@register_task("number")
def number(message: dict) -> str:
    return note(f"order {message['number']}")

@register_task("waits")
def waits(text: str) -> str:
    note("waits")
    while not Path("go").exists():
        time.sleep(0.01)
    return text
"""

SEND = """
import json, sys
from fw_core.client import current_app

app, bodies = current_app(), sys.argv[1:]
with app.producer_or_acquire() as producer:
    for body in bodies:
        producer.publish(
            body.encode(), exchange="", routing_key=app.topology.queue_name("fw.workflows"),
            content_type="application/json", content_encoding="utf-8",
        )
"""


@pytest.fixture
def place(place):
    place.write(TEAM)
    return place


def send(place, *bodies: Any) -> None:
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    program = f"import sys; sys.argv[1:] = {texts!r}\n{SEND}"
    place.run_python(program)


def runs(place) -> list[str]:
    path = place.path / "runs"
    return path.read_text().splitlines() if path.exists() else []


def letters(place) -> list[dict[str, Any]]:
    return json.loads(place.run("dead", "list", "--json").stdout)["letters"]


@pytest.mark.parametrize("pool", POOLS)
def test_a_message_starts_its_workflow_once_under_its_id(place, pool, wait_until):
    """And a bad one before it is a dead letter, which stops nothing."""
    worker = place.start("worker", "--pool", pool, "--concurrency", "1").ready()
    body = {"workflow": ["note", "shout"], "data": "hello", "id": "greeting-1"}
    send(place, "no json", {"workflow": "nte", "data": "x"}, body, body)
    wait_until(lambda: "HELLO" in runs(place), "it runs to its end")
    wait_until(lambda: len(letters(place)) == 2, "the bad ones are collected")
    send(place, {"workflow": "note", "data": "last"})
    wait_until(lambda: "last" in runs(place), "the worker lives on")
    assert worker.stop() == 0
    assert runs(place) == ["hello", "HELLO", "last"]
    assert {letter["cause"] for letter in letters(place)} == {"no-workflow"}


def test_rules_choose_by_the_messages_fields(place, wait_until):
    rules = [
        {"if": {"field": "kind", "equals": "order"}, "workflow": "number"},
        {"if": {"field": "text", "exists": True}, "workflow": {"task": "shout", "queue": "bulk"}},
    ]
    place.env |= {"FW_WORKFLOW_RULES": json.dumps(rules), "FW_QUEUES": "default,bulk"}
    said = place.run("worker", code=2, FW_QUEUES="default").stderr
    assert "FW_WORKFLOW_RULES has a mistake at rules[1].workflow: " in said
    assert "'bulk', which no worker declares" in said
    assert "Traceback" not in said

    place.start("worker", "--pool", "solo").ready()
    send(place, {"kind": "order", "number": 17}, {"kind": "invoice"})
    wait_until(lambda: runs(place) == ["order 17"], "the first rule takes it")
    wait_until(lambda: len(letters(place)) == 1, "what no rule takes is a dead letter")


def test_a_dead_letter_is_replayed_as_it_was(place, wait_until):
    """With another set of tasks, or rules, it can start what it could not before."""
    first = place.start("worker", "--pool", "solo").ready()
    send(place, {"kind": "order", "number": 18})
    wait_until(lambda: len(letters(place)) == 1, "no rule takes it")
    [letter] = letters(place)
    [shown] = json.loads(place.run("dead", "show", letter["id"], "--json").stdout)
    assert json.loads(shown["body"]) == {"kind": "order", "number": 18}
    assert "it names no workflow" in shown["error"]["message"]
    assert first.stop() == 0

    rules = json.dumps([{"workflow": "number"}])
    place.start("worker", "--pool", "solo", FW_WORKFLOW_RULES=rules).ready()
    place.run("dead", "replay", letter["id"], "--yes")
    wait_until(lambda: runs(place) == ["order 18"], "the replayed message starts it")


def test_a_worker_that_stops_gives_back_what_it_has_not_begun(place, wait_until):
    """The next one starts it."""
    first = place.start("worker", "--concurrency", "1").ready()
    place.run("send", "waits", "a")
    wait_until(lambda: runs(place) == ["waits"], "its only process is busy")
    send(place, {"workflow": "note", "data": "later", "id": "later-1"})
    counts = lambda: {  # noqa: E731
        count["queue"]: count for count in json.loads(place.run("queues", "--json").stdout)
    }
    wait_until(lambda: counts()["fw.workflows"]["unacknowledged"] == 1, "the worker has it")
    first.process.terminate()
    first.wait_for("Gave back 1 message")
    (place.path / "go").touch()
    assert first.process.wait(60) == 0
    assert runs(place) == ["waits"]
    assert counts()["fw.workflows"]["ready"] == 1
    place.start("worker", "--pool", "solo").ready()
    wait_until(lambda: "later" in runs(place), "another one starts it")


def test_no_worker_takes_any_where_the_setting_says_so(place):
    place.env["FW_WORKFLOW_QUEUE"] = ""
    worker = place.start("worker", "--pool", "solo").ready()
    shown = [count["queue"] for count in json.loads(place.run("queues", "--json").stdout)]
    assert shown == ["default", "fw.dead", "fw.outcomes"]
    assert worker.stop() == 0
