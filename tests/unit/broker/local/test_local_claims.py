"""Who gets which message, and what settles it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from fw_core.broker.local import Store

from .local_drafts import draft, numbers


@pytest.fixture(autouse=True)
def work(store: Store) -> None:
    store.declare_queue("work")


def test_messages_come_in_the_order_in_which_they_were_published(store: Store, owner: int):
    for number in range(5):
        store.publish(draft(number), key="work")

    assert numbers(store.claim(owner, "work", limit=5)) == [0, 1, 2, 3, 4]


def test_priorities_above_four_go_first_and_keep_their_order(store: Store, owner: int):
    """Two levels, as a quorum queue has: 0 to 4, and 5 upwards."""
    for priority in (0, 4, 5, 9, None):
        store.publish(draft(priority, priority=priority), key="work")

    assert numbers(store.claim(owner, "work", limit=5)) == [5, 9, 0, 4, None]


def test_a_claim_takes_no_more_than_its_limit(store: Store, owner: int):
    for number in range(3):
        store.publish(draft(number), key="work")

    assert numbers(store.claim(owner, "work", limit=2)) == [0, 1]
    [queue] = store.queues()
    assert (queue.ready, queue.owned) == (1, 2)


def test_a_claimed_message_is_given_to_nobody_else(store: Store, owner: int):
    store.publish(draft(), key="work")
    store.claim(owner, "work")

    assert store.claim(store.register_owner(), "work") == []


def test_many_threads_never_get_the_same_message(store: Store):
    for number in range(200):
        store.publish(draft(number), key="work")

    def claim_all(_: int) -> list[int]:
        mine, got = store.register_owner(), []
        while claimed := store.claim(mine, "work", limit=3):
            got += numbers(claimed)
        return got

    with ThreadPoolExecutor(4) as pool:
        shares = list(pool.map(claim_all, range(4)))

    assert sorted(number for share in shares for number in share) == list(range(200))


def test_many_threads_publish_without_losing_one(store: Store):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.publish(draft(number), key="work"), range(200)))

    assert sorted(numbers(store.messages("work"))) == list(range(200))


def test_an_acknowledged_message_is_gone(store: Store, owner: int):
    store.publish(draft(), key="work")
    [claimed] = store.claim(owner, "work")

    store.ack(owner, [claimed.id])

    assert store.messages("work") == []


@pytest.mark.parametrize("settle", ["ack", "reject", "requeue", "give_back"])
def test_nobody_settles_what_another_owns(store: Store, owner: int, settle: str):
    store.publish(draft(), key="work")
    [claimed] = store.claim(owner, "work")

    getattr(store, settle)(store.register_owner(), [claimed.id])

    [message] = store.messages("work")
    assert message.state == "owned"


def test_what_is_claimed_without_keeping_is_gone_at_once(store: Store, owner: int):
    store.publish(draft(7), key="work")

    assert numbers(store.claim(owner, "work", keep=False)) == [7]
    assert store.messages("work") == []


def test_a_returned_message_takes_its_old_place_in_line(store: Store, owner: int):
    for number in range(3):
        store.publish(draft(number), key="work")
    [first] = store.claim(owner, "work")

    store.requeue(owner, [first.id])

    assert numbers(store.claim(owner, "work", limit=3)) == [0, 1, 2]


def test_purge_leaves_what_is_owned_or_delayed(store: Store, owner: int):
    store.publish(draft(1), key="work")
    store.claim(owner, "work")
    store.publish(draft(2, headers={"eta": "2999-01-01T00:00:00+00:00"}), key="work")
    store.publish(draft(3), key="work")

    assert store.purge("work") == 1
    assert numbers(store.messages("work")) == [2, 1]


def test_headers_and_properties_arrive_as_they_were_sent(store: Store, owner: int):
    headers = {"id": "x", "nested": {"list": [1, None, True]}, "raw": b"\x00\xff"}
    store.publish(draft(headers=headers, correlation_id="c", priority=3), key="work")

    [got] = store.claim(owner, "work")

    assert got.headers == headers
    assert got.properties == {"correlation_id": "c", "priority": 3}
