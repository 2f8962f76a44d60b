"""Counting deliveries, and what becomes of a message that nobody may have."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from fw_core.broker.local import Delivery, Store
from fw_core.broker.local.dead_letters import death_headers

from .local_drafts import Clock, draft, numbers


@pytest.fixture(autouse=True)
def work(store: Store) -> None:
    """A queue with three redeliveries, whose dead letters keep their routing key."""
    store.declare_exchange("dlx", kind="topic")
    store.declare_queue("dead")
    store.bind("dead", exchange="dlx", key="#")
    arguments = {"x-delivery-limit": 3, "x-dead-letter-exchange": "dlx"}
    store.declare_queue("work", arguments=arguments)


def take(store: Store, owner: int, queue: str = "work") -> Delivery:
    [delivery] = store.claim(owner, queue)
    return delivery


def test_the_first_delivery_carries_no_count(store: Store, owner: int):
    store.publish(draft(headers={"x-delivery-count": 7}), key="work")

    got = take(store, owner)

    assert "x-delivery-count" not in got.headers
    assert (got.redelivered, got.returns) == (False, 0)


def test_each_return_is_counted(store: Store, owner: int):
    store.publish(draft(), key="work")
    counts = []
    for _ in range(4):
        got = take(store, owner)
        counts.append((got.headers.get("x-delivery-count"), got.redelivered))
        store.requeue(owner, [got.id])

    assert counts == [(None, False), (1, True), (2, True), (3, True)]


def test_a_limit_of_three_allows_three_redeliveries(store: Store, owner: int):
    """As RabbitMQ: the limit counts returns, so the message was handed out four times."""
    store.publish(draft(), key="work")
    for _ in range(3):
        store.requeue(owner, [take(store, owner).id])
    assert store.messages("dead") == []

    store.requeue(owner, [take(store, owner).id])

    [dead] = store.messages("dead")
    assert dead.headers["x-first-death-reason"] == "delivery_limit"
    assert store.messages("work") == []


def test_giving_back_is_not_counted(store: Store, owner: int):
    store.publish(draft(), key="work")
    for _ in range(10):
        store.give_back(owner, [take(store, owner).id])

    got = take(store, owner)
    assert (got.returns, got.redelivered) == (0, True)
    assert "x-delivery-count" not in got.headers


def test_an_owner_that_says_goodbye_is_not_counted(store: Store):
    store.publish(draft(), key="work")
    leaving = store.register_owner()
    take(store, leaving)

    store.remove_owner(leaving)

    [message] = store.messages("work")
    assert (message.state, message.returns) == ("ready", 0)


def test_an_owner_that_crashed_is_counted(store: Store):
    store.publish(draft(), key="work")
    crashed = store.register_owner()
    take(store, crashed)

    store.remove_owner(crashed, counted=True)

    [message] = store.messages("work")
    assert (message.state, message.returns) == ("ready", 1)


def test_a_rejected_message_carries_its_death_in_rabbitmqs_form(
    store: Store, owner: int, clock: Clock
):
    store.declare_exchange("tasks", kind="topic")
    store.bind("work", exchange="tasks", key="mail.#")
    store.publish(draft(5, headers={"id": "a"}, priority=9), exchange="tasks", key="mail.send")

    store.reject(owner, [take(store, owner).id])

    [dead] = store.messages("dead")
    assert dead.headers == {
        "id": "a",
        "x-first-death-queue": "work",
        "x-first-death-reason": "rejected",
        "x-first-death-exchange": "tasks",
        "x-last-death-queue": "work",
        "x-last-death-reason": "rejected",
        "x-last-death-exchange": "tasks",
        "x-death": [
            {
                "queue": "work",
                "reason": "rejected",
                "count": 1,
                "exchange": "tasks",
                "routing-keys": ["mail.send"],
                "time": datetime.fromtimestamp(int(clock()), UTC).replace(tzinfo=None),
            }
        ],
    }
    assert (dead.exchange, dead.key, dead.body) == ("dlx", "mail.send", b"5")
    assert dead.properties == {"priority": 9}


def test_the_queues_own_dead_letter_key_wins(store: Store, owner: int):
    arguments = {"x-dead-letter-exchange": "dlx", "x-dead-letter-routing-key": "failed.mail"}
    store.declare_queue("mail", arguments=arguments)
    store.publish(draft(), key="mail")

    store.reject(owner, [take(store, owner, "mail").id])

    assert [message.key for message in store.messages("dead")] == ["failed.mail"]


def test_a_dead_letter_starts_with_no_returns_and_no_delay(store: Store, owner: int, clock: Clock):
    eta = datetime.fromtimestamp(clock() + 1, UTC).isoformat()
    store.publish(draft(headers={"eta": eta}), key="work")
    clock.move(1)
    store.requeue(owner, [take(store, owner).id])
    store.reject(owner, [take(store, owner).id])
    clock.move(-1)  # even if the clock is set back

    got = take(store, owner, "dead")
    assert (got.returns, got.redelivered) == (0, False)


def test_dying_again_in_the_same_way_counts_up(store: Store, owner: int):
    store.publish(draft(), key="work")
    store.reject(owner, [take(store, owner).id])
    dead = take(store, owner, "dead")
    store.ack(owner, [dead.id])
    store.publish(draft(headers=dead.headers), key="work")
    store.reject(owner, [take(store, owner).id])

    [dead_again] = store.messages("dead")
    [death] = dead_again.headers["x-death"]
    assert death["count"] == 2


def test_the_latest_death_stands_first_and_the_first_is_remembered():
    once = death_headers({}, queue="a", reason="expired", exchange="", key="a", now=1)
    twice = death_headers(once, queue="b", reason="rejected", exchange="x", key="b", now=2)

    assert [death["queue"] for death in twice["x-death"]] == ["b", "a"]
    assert twice["x-first-death-queue"] == "a"
    assert twice["x-last-death-queue"] == "b"


@pytest.mark.parametrize("nonsense", ["text", 7, [1], [{"count": "many"}], {"queue": "work"}])
def test_a_death_list_that_a_client_made_up_stops_nothing(
    store: Store, owner: int, nonsense: object
):
    store.publish(draft(headers={"x-death": nonsense}), key="work")

    store.reject(owner, [take(store, owner).id])

    assert len(store.messages("dead")) == 1


@pytest.mark.parametrize("exchange", ["dlx", "no such exchange"])
def test_a_dead_letter_that_goes_nowhere_is_dropped_with_a_warning(
    store: Store, owner: int, exchange: str, caplog: pytest.LogCaptureFixture
):
    """As RabbitMQ drops it, but not silently."""
    store.unbind("dead", exchange="dlx", key="#")
    store.declare_queue("mail", arguments={"x-dead-letter-exchange": exchange})
    store.publish(draft(), key="mail")

    with caplog.at_level(logging.WARNING):
        store.reject(owner, [take(store, owner, "mail").id])

    assert store.messages("mail") == []
    [record] = caplog.records
    assert f"exchange '{exchange}' sends key 'mail' nowhere" in record.getMessage()


def test_without_a_dead_letter_exchange_a_refused_message_is_dropped(store: Store, owner: int):
    store.declare_queue("plain")
    store.publish(draft(), key="plain")

    store.reject(owner, [take(store, owner, "plain").id])

    assert store.messages("plain") == []
    assert numbers(store.messages("dead")) == []
