"""Dead letters in a test: kept as the worker's collector keeps them, replayed, discarded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from unittest import mock

import pytest
from sqlalchemy.exc import OperationalError

from fw_core import TASK_REGISTRY, GiveUp, TaskFailed, task_framework
from fw_core.broker import local
from fw_core.broker.local.records import Draft
from fw_core.broker.topology import DELIVERY_LIMIT
from fw_core.client import current_app
from fw_core.database.connection import Database
from fw_core.errors import UnknownDeadLetter
from fw_testing import Eager, FakeBroker
from fw_testing.errors import NoDeadLetters, NotReplayed


@task_framework(name="mail.send", retries=1, backoff=3, jitter=0)
def send(address: str) -> None:
    raise ConnectionError("no route")


@contextmanager
def database_away() -> Iterator[None]:
    """No statement gets through."""
    away = OperationalError("", {}, Exception("connection refused"))
    with mock.patch.object(Database, "_once", side_effect=away):
        yield


def test_a_dead_letter_says_why_the_call_died(fw_eager: Eager) -> None:
    """What ``fw dead show`` would say."""
    send.delay("a@b")
    [dead] = fw_eager.dead
    assert (dead.task, dead.args, dead.queue) == ("mail.send", ("a@b",), "default")
    assert dead.error == "ConnectionError: no route"
    assert dead.cause == "retries-spent"
    assert dead.reason == "the last of 2 attempts failed"
    assert (dead.attempts, dead.died_at) == (2, fw_eager.clock.now())


def test_the_oldest_is_shown_first(fw_eager: Eager) -> None:
    """Also of those that died at one moment."""

    @task_framework
    def fails(number: int) -> None:
        raise GiveUp

    for number in range(20):
        fails.delay(number)
    assert [dead.args for dead in fw_eager.dead] == [(number,) for number in range(20)]


# by the broker


def test_a_call_that_was_delivered_too_often_fails_with_a_result(fw_broker: FakeBroker) -> None:
    """And its error callback runs: the collector sees to both."""
    told: list[str] = []

    @task_framework
    def note() -> None: ...

    @task_framework
    def tell(task_id: str) -> None:
        told.append(task_id)

    result = note.apply_async(link_error=tell.s())
    store = local.store_at(current_app().broker_url)
    for _ in range(DELIVERY_LIMIT + 1):
        owner = store.register_owner()
        store.claim(owner, "default")
        store.remove_owner(owner, counted=True)

    [dead] = fw_broker.dead
    assert dead.cause == "delivered-too-often"
    with pytest.raises(TaskFailed, match="DeliveredTooOften"):
        result.get()
    fw_broker.drain()
    assert told == [result.id]


def test_a_call_that_expired_in_the_broker_fails_with_a_result(fw_broker: FakeBroker) -> None:
    """A foreign client may let the broker do it."""

    @task_framework
    def note() -> None: ...

    @task_framework
    def tell(task_id: str) -> None: ...

    store = local.store_at(current_app().broker_url)
    headers = {"id": "one", "task": note.name}
    properties = {
        "expiration": "5000",
        "content_type": "application/json",
        "content_encoding": "utf-8",
    }
    body = json.dumps([[], {}, {"errbacks": [tell.s()]}]).encode()
    store.publish(Draft(body, headers, properties), key="default")
    fw_broker.advance(timedelta(seconds=6))

    assert [message.task for message in fw_broker.waiting] == [tell.name]
    [dead] = fw_broker.dead
    assert (dead.id, dead.cause, dead.queue) == ("one", "expired", "default")
    assert note.result("one").state == "FAILURE"


@pytest.mark.parametrize(
    "body, name, cause",
    [
        (b"no JSON", "note", "unreadable"),
        (b'"no call"', "note", "unreadable"),
        (b"[[], {}, {}]", "of nobody", "unknown-task"),
    ],
)
def test_what_no_worker_can_run_fails_with_a_result(
    fw_broker: FakeBroker, body: bytes, name: str, cause: str
) -> None:
    """Somebody may wait for it."""

    @task_framework(name="note")
    def note() -> None: ...

    store = local.store_at(current_app().broker_url)
    properties = {"content_type": "application/json", "content_encoding": "utf-8"}
    store.publish(Draft(body, {"id": "one", "task": name}, properties), key="default")
    assert fw_broker.run_next() is None

    [dead] = fw_broker.dead
    assert (dead.id, dead.cause, dead.body) == ("one", cause, body)
    assert note.result("one").state == "FAILURE"


# replay and discard


def test_a_replayed_call_runs_as_if_it_never_had(fw_broker: FakeBroker) -> None:
    """Under its id, with its attempts counted from 1."""
    is_up: list[bool] = []

    @task_framework(retries=0)
    def post(number: int) -> int:
        if not is_up:
            raise ConnectionError
        return number

    result = post.delay(7)
    fw_broker.drain()
    is_up.append(True)
    [dead] = fw_broker.dead

    assert fw_broker.replay(dead) == [dead]
    assert fw_broker.dead == []
    ran = fw_broker.run_next()
    assert ran is not None
    assert (ran.id, ran.attempt, ran.result) == (result.id, 1, 7)
    assert result.get() == 7


def test_an_eager_replay_runs_at_once(fw_eager: Eager) -> None:
    """And may fail again."""
    result = send.delay("a@b")
    assert [dead.id for dead in fw_eager.replay()] == [result.id]
    assert [ran.attempt for ran in fw_eager.ran] == [1, 2, 1, 2]
    assert [dead.id for dead in fw_eager.dead] == [result.id]


def test_a_letter_can_be_replayed_to_another_queue(fw_broker: FakeBroker) -> None:
    """As with ``fw dead replay --to``."""

    @task_framework(queue="bulk", retries=0)
    def fails() -> None:
        raise ValueError

    result = fails.delay()
    fw_broker.drain()
    fw_broker.replay(result.id, to="default")
    assert [message.queue for message in fw_broker.waiting] == ["default"]


def test_what_cannot_be_replayed_says_why(fw_broker: FakeBroker) -> None:
    """As ``fw dead replay`` refuses it."""
    with pytest.raises(NoDeadLetters, match="no dead letter to be replayed"):
        fw_broker.replay()
    with pytest.raises(UnknownDeadLetter):
        fw_broker.replay("nobody")

    store = local.store_at(current_app().broker_url)
    store.publish(Draft(json.dumps("no call").encode(), {}, {}), key="default")
    fw_broker.run_next()
    with pytest.raises(NotReplayed, match="it is no call of a task"):
        fw_broker.replay()


def test_a_discarded_letter_is_gone(fw_eager: Eager) -> None:
    """With a reason."""
    send.delay("a@b")
    send.delay("c@d")
    first, second = fw_eager.dead

    fw_eager.discard(first, reason="the address is gone")
    assert fw_eager.dead == [second]
    with pytest.raises(NotReplayed, match="it was discarded already"):
        fw_eager.replay(first)
    with pytest.raises(NoDeadLetters):
        fw_eager.discard(first, reason="once more")


# the database away


def test_an_outcome_is_stored_when_the_database_is_back(fw_broker: FakeBroker) -> None:
    """It waits in the broker meanwhile, and nobody has to fetch it."""

    @task_framework
    def note() -> int:
        return 7

    with database_away():
        result = note.delay()
        [ran] = fw_broker.drain()
        assert ran.outcome == "succeeded"
    assert result.get() == 7


def test_a_failure_is_stored_when_the_database_is_back(fw_eager: Eager) -> None:
    """Its dead letter is seen meanwhile, and its error callback runs then."""
    told: list[str] = []

    @task_framework
    def tell(task_id: str) -> None:
        told.append(task_id)

    with database_away():
        result = send.apply_async(("a@b",), link_error=tell.s())
        [dead] = fw_eager.dead
        assert (dead.id, dead.cause) == (result.id, "retries-spent")
    with pytest.raises(TaskFailed, match="no route"):
        result.get()
    assert told == [result.id]
    assert [dead.id for dead in fw_eager.dead] == [result.id]


def test_no_dead_letter_reaches_the_next_test() -> None:
    """The database is the same, and is emptied."""
    import fw_testing

    for _ in range(2):
        with fw_testing.eager() as mode:
            assert mode.dead == []
            send.delay("a@b")
            assert len(mode.dead) == 1
    assert "mail.send" in TASK_REGISTRY


def test_a_worker_that_does_not_collect_leaves_dead_letters_in_the_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in production; they are shown, and replayed, all the same."""
    import fw_testing

    monkeypatch.setenv("FW_COLLECT_DEAD_LETTERS", "false")
    with fw_testing.fake_broker() as broker:
        send.delay("a@b")
        broker.drain()
        broker.advance(4)
        broker.drain()
        [dead] = broker.dead
        store = local.store_at(current_app().broker_url)
        assert len(store.messages("fw.dead")) == 1
        assert (dead.error, dead.cause) == ("ConnectionError: no route", "retries-spent")
        assert broker.replay() == [dead]
        assert store.messages("fw.dead") == []
