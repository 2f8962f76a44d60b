"""``fw queues`` on the local transport."""

from __future__ import annotations

import json


def test_all_messages_are_counted_also_those_that_wait_for_their_time(fw, tasks):
    fw("send", f"{tasks}.process_order", "1")
    fw("send", f"{tasks}.process_order", "2", "--delay", "600")
    counts = {count["queue"]: count for count in json.loads(fw("queues", "--json").stdout)}
    assert list(counts) == ["bulk", "default", "fw.dead", "fw.outcomes", "fw.workflows"]
    assert counts["default"] == {
        "queue": "default",
        "kind": "tasks",
        "ready": 1,
        "unacknowledged": 0,
        "total": 2,
        "consumers": 0,
    }


def test_people_get_a_table_and_no_question_mark(fw, tasks):
    shown = fw("queues").output
    assert "dead letters" in shown
    assert "?" not in shown


def test_a_broker_that_does_not_answer_is_named_without_its_password(fw, tasks, monkeypatch):
    monkeypatch.setenv("FW_BROKER_URL", "amqp://shop:geheim@127.0.0.1:1//")
    said = fw("queues", code=1).stderr
    assert "amqp://shop:***@127.0.0.1:1// does not answer" in said
    assert "geheim" not in said


def test_neither_does_a_management_api(fw, tasks, monkeypatch):
    monkeypatch.setenv("FW_BROKER_URL", "amqp://shop:geheim@127.0.0.1:1//")
    monkeypatch.setenv("FW_MANAGEMENT_URL", "http://shop:geheim@127.0.0.1:1")
    said = fw("queues", code=1).stderr
    assert "http://shop:***@127.0.0.1:1 does not answer" in said
    assert "geheim" not in said
