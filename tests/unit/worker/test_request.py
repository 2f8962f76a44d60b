"""A request of a usual message: little is made of it until somebody asks for more."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state
from celery.worker.request import Request
from kombu.exceptions import DecodeError
from kombu.message import Message
from kombu.utils.json import dumps

from fw_worker.ahead.brief import Unreadable
from fw_worker.followed import is_followed
from fw_worker.request import AttemptRequest
from fw_worker.strategy import is_usual

HEADERS = {"task": "team.work", "id": "seven", "root_id": "six", "shadow": None, "retries": 1}


def message(body: Any = '[[7], {"a": 1}, {}]', **headers: Any) -> Message:
    return Message(
        body=body,
        content_type="application/json",
        content_encoding="utf-8",
        headers={**HEADERS, **headers},
        properties={"message_id": "m", "correlation_id": "seven", "reply_to": "me"},
        delivery_info={"routing_key": "default", "exchange": "", "redelivered": False},
        accept={"application/json"},
    )


class Consumer:
    """Notes what it is given back."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.ahead = self
        self.event_dispatcher = None
        self.task_buckets = {"team.work": None}

    def on_task_request(self, request: Any) -> None:
        self.given.append(f"again {request.args}")

    def on_decode_error(self, message: Any, error: Exception) -> None:
        self.given.append("no JSON")

    def on_invalid_task(self, body: Any, message: Any, error: Exception) -> None:
        self.given.append("no call")


@pytest.fixture
def made(monkeypatch):
    """Makes requests, and notes how they are settled."""
    settled: list[str] = []
    consumer = Consumer()
    task = SimpleNamespace(name="team.work", ignore_result=False, acks_late=True)
    made_with = {
        "app": SimpleNamespace(),
        "hostname": "here",
        "eventer": None,
        "task": task,
        "connection_errors": (OSError,),
    }
    kind: Any = type("Made", (AttemptRequest,), {"made_with": made_with, "consumer": consumer})
    monkeypatch.setattr(kind, "on_success", Request.on_success)

    def make(one: Message) -> Any:
        def ack(*_: Any) -> None:
            settled.append("acknowledged")

        def reject(*_: Any) -> None:
            settled.append("rejected")

        request = kind.of_usual(one, ack, reject)
        state.task_reserved(request)
        return request

    yield SimpleNamespace(make=make, settled=settled, consumer=consumer, made_with=made_with)
    state.requests.clear()


def test_it_knows_what_celerys_own_knows(made):
    one = message()
    full = Request(one, **made.made_with)
    request = made.make(message())
    for name in ("id", "name", "root_id", "args", "kwargs", "argsrepr", "delivery_info", "type",
                 "correlation_id", "reply_to", "parent_id", "eta", "expires"):  # fmt: skip
        assert getattr(request, name) == getattr(full, name), name
    assert request.info() == full.info()


def test_a_usual_one_is_handed_on_and_settled_without_being_read(made):
    request = made.make(message(body="this is read where it is used"))
    assert not request.revoked()
    headers, _, _, body = request.brief()
    assert (headers["id"], body) == ("seven", "this is read where it is used")
    request.on_traced((0, "", 0.1))
    assert made.settled == ["acknowledged"]
    assert request not in state.reserved_requests


def test_one_that_a_process_has_is_active_and_counted(made):
    request = made.make(message())
    before, everywhere = state.total_count["team.work"], state.all_total_count[0]
    request.on_accepted(7, time.monotonic() - 1)
    assert request in state.active_requests
    assert (request.worker_pid, state.total_count["team.work"]) == (7, before + 1)
    assert state.all_total_count[0] == everywhere + 1
    assert request.time_start == pytest.approx(time.time() - 1, abs=0.5)
    request.on_traced((0, "", 0.1))
    assert request not in state.active_requests


def test_one_that_is_to_be_ended_is_ended_when_a_process_has_it(made):
    request, ended = made.make(message()), []
    pool = SimpleNamespace(terminate_job=lambda pid, signal: ended.append(pid))
    request.terminate(pool, signal="TERM")
    assert ended == []
    request._announce_revoked = lambda *_: None
    request.on_accepted(7, time.monotonic())
    assert ended == [7]


def test_an_attribute_that_nobody_has_is_missing_as_everywhere(made):
    request = made.make(message())
    with pytest.raises(AttributeError, match="weather"):
        _ = request.weather


def test_one_that_was_revoked_is_seen(made, monkeypatch):
    request = made.make(message())
    told: list[str] = []
    monkeypatch.setattr(type(request), "_announce_revoked", lambda *_: told.append("revoked"))
    state.revoked.add("seven")
    try:
        assert request.revoked()
    finally:
        state.revoked.discard("seven")
    assert told == ["revoked"]


@pytest.mark.parametrize(
    ("body", "given"),
    [
        ("{", "no JSON"),
        (b"\xff", "no JSON"),
        ("7", "no call"),
        ("[[], []]", "no call"),
        (dumps({"task": "t", "id": "x", "args": [7], "kwargs": {}}), "again [7]"),
    ],
)
def test_what_its_process_could_not_read_is_said_here_or_goes_on(made, body, given):
    """Celery's older form of a call is none of ours, and is understood here."""
    request = made.make(message(body))
    request.on_traced(Unreadable())
    assert made.consumer.given == [given]
    assert (request in state.reserved_requests) == given.startswith("again")
    if given.startswith("again"):
        assert request.brief()[3] == ([7], {}, {"callbacks": None, "errbacks": None,
                                                "chord": None, "chain": None})  # fmt: skip


def test_an_operator_who_looks_at_what_cannot_be_read_does_not_keep_it_from_being_sent(made):
    """Its body is looked at while it waits; a process of the pool says later what it is."""
    request = made.make(message("{"))
    for _ in range(2):
        with pytest.raises(DecodeError):
            request.info()
    assert request.brief()[3] == "{"


@pytest.mark.parametrize(
    ("changed", "headers", "about_consumer"),
    [
        ({}, {"expires": "2026-01-01T12:00:00+00:00"}, {}),
        ({}, {"id": ""}, {}),
        ({}, {"id": 7}, {}),
        ({"content_type": "application/x-python-serialize"}, {}, {}),
        ({"content_encoding": "binary"}, {}, {}),
        ({}, {}, {"ahead": None}),
        ({}, {}, {"task_buckets": {"team.work": object()}}),
        ({}, {}, {"event_dispatcher": SimpleNamespace(enabled=True, groups={"worker", "task"})}),
    ],
)
def test_what_asks_for_more_takes_celerys_way(changed, headers, about_consumer):
    consumer, one = Consumer(), message(**headers)
    task = SimpleNamespace(name="team.work")
    assert is_usual(message(), task, consumer)
    vars(consumer).update(about_consumer)
    for name, value in changed.items():
        setattr(one, name, value)
    assert not is_usual(one, task, consumer)


@pytest.mark.parametrize(
    ("enabled", "groups", "followed"),
    [
        (True, set(), True),
        (True, {"task"}, True),
        (True, {"worker"}, False),
        (False, set(), False),
    ],
)
def test_a_worker_that_tells_only_of_itself_is_not_followed(enabled, groups, followed):
    assert is_followed(SimpleNamespace(enabled=enabled, groups=groups)) is followed
    assert not is_followed(None)
