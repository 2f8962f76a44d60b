"""One message: its workflow is started, or it is kept and said; none is lost, whatever is away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from database_away import database_away

from fw_core import TASK_REGISTRY, register_task
from fw_core.attempt.outcome import Cause
from fw_core.broker.publish import Unconfirmed
from fw_core.client import current_app
from fw_core.headers import DEAD, REDELIVERED, WORKFLOW
from fw_core.workflow import history
from fw_worker.dead_letters.death import Death
from fw_worker.raw import Raw
from fw_worker.strategy import OFTEN
from fw_worker.workflow_messages.delivery import Delivery, Verdict
from fw_worker.workflow_messages.start import MOST_DEATHS, start

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def tasks(fw_broker, declaring):
    @register_task("clean")
    def clean(text: str) -> str:
        return text.strip()

    @register_task("count")
    def count(text: str) -> int:
        return len(text)

    @register_task("order")
    def order(message: dict[str, Any]) -> int:
        return message["number"]


@pytest.fixture(autouse=True)
def queues(fw_broker):
    """The queue of workflows, as a worker declares it, and one for replies."""
    app = current_app()
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        app.topology.declare_base(channel)
        app.topology.declare_queue(channel, "fw.workflows")
        channel.queue_declare("replies", auto_delete=False)


def delivery(body: Any, *, headers: dict[str, Any] | None = None, **given: Any) -> Delivery:
    names = ("delivered", "deaths", "is_old")
    facts = {name: given.pop(name) for name in names if name in given}
    properties = {"message_id": "m-1", **given}
    raw = Raw(
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        content_type="application/json",
        content_encoding="utf-8",
        headers=headers or {},
        properties={name: value for name, value in properties.items() if value is not None},
        queue="fw.workflows",
    )
    return Delivery(raw=raw, worker="fw-1@host", **facts)


def queued(name: str) -> list[Any]:
    with current_app().connection_for_read() as connection:
        return connection.transport.store.messages(name)


def replies() -> list[Any]:
    return [json.loads(view.body) for view in queued("replies")]


GOOD = {"workflow": ["clean", "count"], "data": " hello ", "id": "order-17"}


def test_a_message_starts_its_workflow(fw_broker):
    assert start(current_app(), delivery(GOOD)).verdict is Verdict.DONE
    fw_broker.drain()
    assert TASK_REGISTRY["count"].result("order-17").get() == 5


def test_the_same_id_twice_starts_one(fw_broker):
    for message_id in ("m-1", "m-2"):
        assert start(current_app(), delivery(GOOD, message_id=message_id)).verdict is Verdict.DONE
    fw_broker.drain()
    assert [run.task for run in fw_broker.ran] == ["clean", "count"]


def test_a_message_without_an_id_is_known_by_its_own(fw_broker):
    body = {"workflow": "count", "data": "abc"}
    for _ in range(2):
        start(current_app(), delivery(body))
    fw_broker.drain()
    assert len(fw_broker.ran) == 1
    assert TASK_REGISTRY["count"].result("m-1").get() == 3


def test_a_rule_chooses_by_the_messages_fields(fw_broker, monkeypatch):
    rules = [{"if": {"field": "kind", "equals": "order"}, "workflow": "order"}]
    app = current_app()
    settings = app.settings.model_copy(update={"workflow_rules": json.dumps(rules)})
    monkeypatch.setattr(app, "settings", settings)
    assert start(app, delivery({"kind": "order", "number": 17})).verdict is Verdict.DONE
    fw_broker.drain()
    assert TASK_REGISTRY["order"].result("m-1").get() == 17


@pytest.mark.parametrize(
    ("body", "said", "known"),
    [
        (b"{", "it is no JSON", "m-1"),
        ({"workflow": ["clean", "cuont"], "data": "a", "id": "x"}, "Did you mean 'count'", "x"),
        ({"workflow": "clean", "data": 3, "id": "x"}, "must be str, got 3", "x"),
        ({"workflow": "clean", "data": "a", "id": 3}, "an id is a text", None),
        ({"kind": "order"}, "it names no workflow", "m-1"),
    ],
)
def test_a_bad_message_is_a_dead_letter_that_says_why_and_is_answered(fw_broker, body, said, known):
    asked = delivery(body, reply_to="replies", correlation_id="c-1")
    assert start(current_app(), asked).verdict is Verdict.DONE
    [dead] = queued("fw.dead")
    death = Death.from_header(dead.headers[DEAD])
    assert death is not None
    assert (death.cause, death.queue) == (Cause.NO_WORKFLOW, "fw.workflows")
    assert said in death.error.message
    assert bytes(dead.body) == asked.raw.body
    [answer] = replies()
    assert (answer["id"], answer["state"]) == (known, "refused")
    assert said in answer["error"]
    assert answer["fix"]
    assert queued("replies")[0].properties["correlation_id"] == "c-1"
    assert not queued("default")


def test_a_good_message_is_answered_too():
    start(current_app(), delivery(GOOD, reply_to="replies"))
    assert replies() == [{"id": "order-17", "state": "started"}]


def test_a_reply_that_nobody_takes_stops_nothing(fw_broker):
    assert start(current_app(), delivery(GOOD, reply_to="gone")).verdict is Verdict.DONE
    assert start(current_app(), delivery(b"{", reply_to="gone")).verdict is Verdict.DONE
    assert len(queued("fw.dead")) == 1


@contextmanager
def broker_refusing() -> Iterator[None]:
    amqp: Any = current_app().amqp

    def post(*_: Any, **__: Any) -> None:
        raise Unconfirmed("no confirm in time", maybe=False)

    amqp.post = post
    try:
        yield
    finally:
        del amqp.post


def test_while_the_database_is_away_the_message_stays(fw_broker):
    """It is no fault of the message's: nothing is buried, nothing is answered."""
    asked = delivery(GOOD, reply_to="replies")
    with database_away():
        answer = start(current_app(), asked)
    assert answer.verdict is Verdict.NOT_NOW
    assert "connection refused" in answer.why
    assert (queued("fw.dead"), replies(), queued("default")) == ([], [], [])

    assert start(current_app(), asked).verdict is Verdict.DONE
    assert replies() == [{"id": "order-17", "state": "started"}]


def test_while_the_broker_takes_no_step_the_message_stays(fw_broker):
    with broker_refusing():
        assert start(current_app(), delivery(GOOD)).verdict is Verdict.NOT_NOW
    assert start(current_app(), delivery(GOOD)).verdict is Verdict.DONE
    fw_broker.drain()
    assert len(fw_broker.ran) == 2


def test_a_dead_letter_that_cannot_be_written_is_left_to_the_broker(monkeypatch):
    """It makes one of what is thrown out."""
    monkeypatch.setattr("fw_worker.workflow_messages.start._BURY_SECONDS", 0.0)
    with broker_refusing():
        assert start(current_app(), delivery(b"{")).verdict is Verdict.THROWN_OUT


def test_what_was_held_for_long_goes_behind_the_others(fw_broker):
    """Else the broker would take it away after its consumer_timeout, and count that."""
    asked = delivery(GOOD, is_old=True, headers={WORKFLOW: "given"})
    with database_away():
        assert start(current_app(), asked).verdict is Verdict.DONE
    [copy] = queued("fw.workflows")
    assert bytes(copy.body) == asked.raw.body
    assert (copy.headers[WORKFLOW], copy.properties["message_id"]) == ("given", "m-1")


def test_a_message_that_was_delivered_often_is_replaced_once():
    """The broker's limit is for one that ends its workers."""
    often = delivery(GOOD, delivered=OFTEN)
    assert start(current_app(), often).verdict is Verdict.DONE
    [copy] = queued("fw.workflows")
    assert copy.headers[REDELIVERED] is True
    again = delivery(GOOD, delivered=OFTEN, headers={REDELIVERED: True})
    assert start(current_app(), again).verdict is Verdict.DONE
    assert len(queued("fw.workflows")) == 1
    assert history.state_of(current_app(), "order-17").id == "order-17"


def test_a_message_that_processes_die_of_is_a_dead_letter():
    start(current_app(), delivery(GOOD, deaths=MOST_DEATHS - 1))
    assert not queued("fw.dead")
    start(current_app(), delivery(GOOD, deaths=MOST_DEATHS))
    [dead] = queued("fw.dead")
    assert "WorkerDied" in dead.headers[DEAD]


def test_what_a_team_s_own_type_raises_is_kept_and_said(fw_broker, monkeypatch):
    """No mistake that nobody has thought of makes a message go round for ever."""

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("of the team's own")

    monkeypatch.setattr("fw_worker.workflow_messages.start.run_plan", broken)
    assert start(current_app(), delivery(GOOD, reply_to="replies")).verdict is Verdict.DONE
    assert len(queued("fw.dead")) == 1
    [answer] = replies()
    assert answer["error"] == "ZeroDivisionError: of the team's own"
