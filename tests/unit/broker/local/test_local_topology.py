"""Declarations that must agree, and where a message goes."""

from __future__ import annotations

from typing import Any

import pytest

from fw_core.broker.local import Letter, Store
from fw_core.broker.local.topology import MissingError, UnequalError

from .local_drafts import Clock, draft, numbers


def test_declaring_the_same_queue_again_changes_nothing(store: Store):
    for _ in range(2):
        store.declare_queue("mail", arguments={"x-delivery-limit": 3})
        store.publish(draft(), key="mail")

    assert len(store.messages("mail")) == 2


@pytest.mark.parametrize(
    "again, argument",
    [
        ({"arguments": {"x-delivery-limit": 4}}, "x-delivery-limit"),
        ({"arguments": {}}, "x-delivery-limit"),
        ({"arguments": {"x-delivery-limit": 3, "x-max-length": 1}}, "x-max-length"),
        ({"arguments": {"x-delivery-limit": 3}, "durable": False}, "durable"),
        ({"arguments": {"x-delivery-limit": 3}, "auto_delete": True}, "auto_delete"),
    ],
)
def test_declaring_a_queue_otherwise_is_refused_by_the_argument_that_differs(
    store: Store, again: dict[str, Any], argument: str
):
    store.declare_queue("mail", arguments={"x-delivery-limit": 3})

    with pytest.raises(UnequalError, match=f"inequivalent arg '{argument}' for queue 'mail'"):
        store.declare_queue("mail", **again)


def test_declaring_an_exchange_otherwise_is_refused(store: Store):
    store.declare_exchange("tasks", kind="topic")
    store.declare_exchange("tasks", kind="topic")

    with pytest.raises(UnequalError, match="inequivalent arg 'type' for exchange 'tasks'"):
        store.declare_exchange("tasks", kind="direct")


@pytest.mark.parametrize(
    "kind, key, reached",
    [
        ("direct", "mail", {"exact"}),
        ("direct", "mail.eu", set()),
        ("fanout", "anything", {"exact", "star", "all"}),
        ("topic", "mail", {"exact", "all"}),
        ("topic", "mail.eu", {"star", "all"}),
        ("topic", "mail.eu.de", {"all"}),
        ("topic", "fax", set()),
    ],
)
def test_each_kind_of_exchange_routes_in_its_way(
    store: Store, kind: str, key: str, reached: set[str]
):
    store.declare_exchange("x", kind=kind)
    for queue, pattern in {"exact": "mail", "star": "mail.*", "all": "mail.#"}.items():
        store.declare_queue(queue)
        store.bind(queue, exchange="x", key=pattern)

    count = store.publish(draft(), exchange="x", key=key)

    assert {queue.name for queue in store.queues() if queue.ready} == reached
    assert count == len(reached)


def test_a_queue_bound_twice_gets_the_message_once(store: Store):
    store.declare_exchange("x", kind="topic")
    store.declare_queue("mail")
    store.bind("mail", exchange="x", key="mail.#")
    store.bind("mail", exchange="x", key="#")

    assert store.publish(draft(), exchange="x", key="mail.eu") == 1
    assert len(store.messages("mail")) == 1


def test_the_default_exchange_reaches_the_queue_of_that_name_or_none(store: Store):
    store.declare_queue("mail")

    assert store.publish(draft(), key="mail") == 1
    assert store.publish(draft(), key="fax") == 0


def test_an_alternate_exchange_takes_what_is_unroutable(store: Store):
    store.declare_exchange("lost", kind="fanout")
    store.declare_queue("lost")
    store.bind("lost", exchange="lost")
    store.declare_exchange("x", kind="direct", arguments={"alternate-exchange": "lost"})

    assert store.publish(draft(), exchange="x", key="fax") == 1
    assert len(store.messages("lost")) == 1


def test_alternate_exchanges_in_a_circle_end(store: Store):
    store.declare_exchange("a", arguments={"alternate-exchange": "b"})
    store.declare_exchange("b", arguments={"alternate-exchange": "a"})

    assert store.publish(draft(), exchange="a", key="fax") == 0


def test_publishing_to_an_exchange_that_does_not_exist_stores_nothing(store: Store):
    store.declare_queue("mail")
    good, bad = ("", "mail"), ("nowhere", "mail")

    with pytest.raises(MissingError, match="no exchange 'nowhere'"):
        store.publish_all([Letter(draft(), *address) for address in (good, bad)])

    assert store.messages("mail") == []


@pytest.mark.parametrize("missing", ["queue", "exchange"])
def test_binding_needs_both_ends(store: Store, missing: str):
    store.declare_queue("mail")
    store.declare_exchange("x")

    with pytest.raises(MissingError, match=f"no {missing} 'nowhere'"):
        store.bind(**{"queue": "mail", "exchange": "x", missing: "nowhere"})


def test_deleting_a_queue_takes_its_messages_and_bindings_along(store: Store, owner: int):
    store.declare_queue("mail")
    store.bind("mail", exchange="amq.direct", key="mail")
    store.publish(draft(1), key="mail")
    [owned] = store.claim(owner, "mail")
    store.publish(draft(2), key="mail")
    store.publish(draft(3, headers={"eta": "2999-01-01T00:00:00Z"}), key="mail")

    assert store.delete_queue("mail") == 1
    store.requeue(owner, [owned.id])
    assert store.publish(draft(), exchange="amq.direct", key="mail") == 0
    store.declare_queue("mail")
    assert store.messages("mail") == []


@pytest.mark.parametrize("condition", ["only_empty", "only_unused"])
def test_a_queue_in_use_survives_a_careful_delete(store: Store, owner: int, condition: str):
    store.declare_queue("mail")
    store.publish(draft(9), key="mail")
    store.listen("mail", owner=owner, tag="t", port=9)

    store.delete_queue("mail", **{condition: True})

    assert numbers(store.messages("mail")) == [9]


def test_an_auto_delete_queue_goes_with_its_last_listener(store: Store, owner: int):
    store.declare_queue("reply", auto_delete=True)
    for tag in "ab":
        store.listen("reply", owner=owner, tag=tag, port=9)

    store.unlisten("reply", owner=owner, tag="a")
    assert [queue.name for queue in store.queues()] == ["reply"]
    store.unlisten("reply", owner=owner, tag="b")
    assert store.queues() == []


def test_an_exclusive_queue_goes_with_its_owner(store: Store, owner: int):
    store.declare_queue("mine", exclusive_owner=owner)

    store.remove_owner(owner)

    assert store.queues() == []


def test_an_unused_queue_goes_when_its_lifetime_ends(store: Store, owner: int, clock: Clock):
    store.declare_queue("reply", arguments={"x-expires": 10_000})
    store.listen("reply", owner=owner, tag="t", port=9)
    clock.move(60)
    store.tick()
    assert len(store.queues()) == 1  # somebody listens

    store.unlisten("reply", owner=owner, tag="t")
    clock.move(9)
    store.tick()
    assert len(store.queues()) == 1
    clock.move(1)
    store.tick()
    assert store.queues() == []
