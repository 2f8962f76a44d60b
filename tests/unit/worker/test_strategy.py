"""From a message to a request: what comes too early is sent on, what has no shape is refused."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import InvalidTaskError
from celery.worker.request import Request
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.json import dumps, loads

from fw_core.broker.amqp import BROKER_DEATH_HEADERS
from fw_core.broker.publish import Unconfirmed
from fw_core.settings import read_settings
from fw_worker.ahead.brief import UNREADABLE, brief_of, call_of, check_message, read_body
from fw_worker.app import create_app
from fw_worker.strategy import due_of, send_on

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Message:
    """As much of kombu's message as is looked at."""

    def __init__(self, headers: dict[str, Any], payload: Any = None, **properties: Any) -> None:
        self.headers = headers
        self.payload = payload
        self.properties = properties
        self.body = b"[[7], {}, {}]"
        self.content_type = "application/json"
        self.content_encoding = "utf-8"
        self.delivery_info = {"routing_key": "default"}
        self.answers: list[str] = []

    def ack_log_error(self, *_: Any, **__: Any) -> None:
        self.answers.append("ack")

    def reject_log_error(self, *_: Any, requeue: bool = False) -> None:
        self.answers.append("requeue" if requeue else "reject")


# When


@pytest.mark.parametrize(
    ("eta", "due"),
    [
        (None, None),
        ("", None),
        ("2026-01-01T12:00:00+00:00", NOON),
        ("2026-01-01T13:00:00+01:00", NOON),
        ("2026-01-01T12:00:00", NOON),
        ("2026-01-01T12:00:00.000000Z", NOON),
    ],
)
def test_a_message_may_start_at_its_eta(eta, due):
    """Without a time zone it is UTC, as Celery's clients mean it."""
    assert due_of(Message({"eta": eta})) == due


def test_a_message_without_an_eta_may_start_now():
    assert due_of(Message({})) is None


@pytest.mark.parametrize("eta", ["soon", 3, ["2026"], "2026-13-01", "\ud800"])
def test_an_eta_that_is_no_time_is_refused(eta):
    with pytest.raises(InvalidTaskError, match="invalid eta"):
        due_of(Message({"eta": eta}))


# Shape


@pytest.mark.parametrize(
    ("headers", "payload"),
    [
        ({"id": "x"}, [[7], {}, {}]),
        ({"id": "x"}, ((7,), {"a": 1}, None)),
        ({"id": "x"}, [[], {}, {"chain": None}]),
        ({}, {"id": "x", "task": "t", "args": [7], "kwargs": {}}),
        ({"id": "x"}, {"task": "t", "args": [], "kwargs": {}}),
    ],
)
def test_a_call_has_arguments_and_an_id(headers, payload):
    check_message(Message(headers, payload), None)


@pytest.mark.parametrize(
    ("headers", "payload"),
    [
        ({"id": "x"}, None),
        ({"id": "x"}, 7),
        ({"id": "x"}, "[[], {}, {}]"),
        ({"id": "x"}, []),
        ({"id": "x"}, [[], {}]),
        ({"id": "x"}, [[], {}, {}, {}]),
        ({"id": "x"}, [{}, {}, {}]),
        ({"id": "x"}, [[], [], {}]),
        ({"id": "x"}, ["ab", {}, {}]),
        ({"id": "x"}, [None, None, None]),
        ({"id": "x"}, {"args": [], "kwargs": None}),
        ({"id": "x"}, {}),
        ({}, [[], {}, {}]),
        ({"id": None}, [[], {}, {}]),
        ({"id": ""}, [[], {}, {}]),
    ],
)
def test_what_is_no_call_is_refused(headers, payload):
    """Celery would stumble over it in the worker's main process."""
    with pytest.raises(InvalidTaskError):
        check_message(Message(headers, payload), None)


def test_a_body_that_was_read_already_is_looked_at():
    check_message(Message({"id": "x"}, payload=None), [[], {}, {}])


# Sent on


class Producer:
    """A broker that takes every letter, or none."""

    def __init__(self, error: Exception | None = None) -> None:
        self.letters: list[Any] = []
        self.error = error

    def post(self, producer: Any, letter: Any) -> None:
        if self.error is not None:
            raise self.error
        self.letters.append(letter)


@pytest.fixture
def rabbit(monkeypatch, declaring):
    """An app on RabbitMQ whose letters are kept instead of posted."""
    app = create_app(
        read_settings(broker_url="amqp://localhost//", queues=(), task_modules=()),
        {},
        clock=lambda: NOON,
        result_backend=lambda app: None,
    )
    kept = Producer()
    monkeypatch.setattr(app.amqp, "post", kept.post)

    @contextmanager
    def acquire(*_: Any, **__: Any):
        yield None

    monkeypatch.setattr(app, "producer_or_acquire", acquire)
    app.kept = kept
    return app


def sent_on(app: Any, message: Message, seconds: float) -> Any:
    send_on(app, message, NOON + timedelta(seconds=seconds))
    [letter] = app.kept.letters
    return letter


def test_a_message_that_came_early_waits_for_the_remainder(rabbit):
    message = Message({"id": "x"})

    letter = sent_on(rabbit, message, 60)

    assert (letter.queue, letter.exchange, letter.wait_ms) == ("default", "fw.wait.60000", 60_000)
    assert letter.body == message.body
    assert message.answers == ["ack"]


def test_a_delay_of_a_month_waits_for_a_day_first(rabbit):
    assert sent_on(rabbit, Message({"id": "x"}), 30 * 24 * 3600).wait_ms == 24 * 3600 * 1000


def test_what_the_broker_wrote_on_a_message_is_not_sent_again(rabbit):
    """With these headers, RabbitMQ 3.10 confirmed such a message and dropped it."""
    written = dict.fromkeys(BROKER_DEATH_HEADERS, "x")

    letter = sent_on(rabbit, Message({"id": "x", "task": "t", "mine": 1, **written}), 60)

    assert letter.headers == {"id": "x", "task": "t", "mine": 1}


def test_what_the_caller_wrote_on_a_message_is_kept(rabbit):
    message = Message(
        {"id": "x"}, correlation_id="x", reply_to="q", message_id="m", priority=7,
        expiration="100", delivery_mode=1, application_headers={"x-death": []},
    )  # fmt: skip

    assert sent_on(rabbit, message, 60).properties == {
        "correlation_id": "x",
        "reply_to": "q",
        "message_id": "m",
        "priority": 7,
    }


def test_a_message_that_cannot_be_sent_on_stays(rabbit):
    rabbit.kept.error = Unconfirmed("no answer", maybe=True)
    message = Message({"id": "x"})

    send_on(rabbit, message, NOON + timedelta(seconds=60))

    assert message.answers == ["requeue"]


@pytest.mark.parametrize("header", sorted(BROKER_DEATH_HEADERS))
def test_every_death_header_is_the_brokers_own(header):
    assert header.startswith("x-")


# What it says


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(PLAIN, st.sampled_from(["bytes", "str", "memoryview"]))
def test_a_body_says_what_kombu_reads_in_it(value, form):
    text = dumps([[value, NOON, uuid.UUID(int=7)], {"moment": value}, {"__type__": 1}])
    for body in (text, dumps([[value], {}, {}]), text.replace("__type__", "\\u005f_type__")):
        found = read_body(
            {"bytes": body.encode(), "str": body}.get(form, memoryview(body.encode()))
        )
        assert found == loads(body)


@pytest.mark.parametrize("body", [b"{", b"\xff", "no JSON", b"", b"7", b"[[], []]"])
def test_a_body_that_is_no_call_is_unreadable(body):
    with pytest.raises(UNREADABLE):
        call_of(({"task": "team.work", "id": "x"}, {}, ("", "default", False), body), "here")


@given(PLAIN, st.booleans())
def test_a_call_is_what_celery_makes_of_the_message(value, redelivered):
    """Whoever reads the request in a body, or in a signal, reads the same."""
    headers = {"task": "team.work", "id": "x", "retries": 2, "shadow": None, "theirs": value}
    message = Message(headers, [[value], {"a": value}, {"chain": None}])
    message.body = dumps(message.payload)
    message.properties = {"correlation_id": "x", "reply_to": "me", "priority": 3}
    message.delivery_info = {"exchange": "", "routing_key": "q", "redelivered": redelivered}
    celerys = Request(
        message, app=SimpleNamespace(), hostname="here", task=SimpleNamespace(ignore_result=True)
    )
    name, task_id, request, payload, *_ = call_of(brief_of(message, headers, message.body), "here")
    assert (name, task_id, request) == ("team.work", "x", celerys.request_dict)
    assert list(payload) == message.payload
