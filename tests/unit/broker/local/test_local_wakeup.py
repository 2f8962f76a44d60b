"""Who is rung when, so that nobody has to poll."""

from __future__ import annotations

import select
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from fw_core.broker.local import Draft, Store
from fw_core.broker.local.wakeup import Bell

from .local_drafts import Clock, draft


@pytest.fixture
def bell(store: Store, owner: int) -> Iterator[Bell]:
    """A bell that listens to the queue ``work``."""
    made = Bell()
    store.declare_queue("work")
    store.declare_queue("other")
    store.listen("work", owner=owner, tag="t", port=made.port)
    yield made
    made.close()


def was_rung(bell: Bell) -> bool:
    """Whether a byte has come; on the loopback it is there when it has been sent."""
    found = bool(select.select([bell], [], [], 0)[0])
    bell.hush()
    return found


def later(clock: Clock, seconds: float) -> Draft:
    return draft(headers={"eta": datetime.fromtimestamp(clock() + seconds, UTC).isoformat()})


def test_a_message_rings_those_who_listen_to_its_queue(store: Store, bell: Bell):
    store.publish(draft(), key="work")
    assert was_rung(bell)

    store.publish(draft(), key="other")
    assert not was_rung(bell)


def test_nobody_is_rung_after_they_stop_listening(store: Store, bell: Bell, owner: int):
    store.unlisten("work", owner=owner, tag="t")

    store.publish(draft(), key="work")

    assert not was_rung(bell)


@pytest.mark.parametrize("queue", ["work", "other"])
def test_a_delay_that_ends_before_the_next_tick_rings_at_once(
    store: Store, bell: Bell, clock: Clock, queue: str
):
    """Whoever it is for: any worker may be the one that makes it ready."""
    store.publish(later(clock, 0.5), key=queue)

    assert was_rung(bell)


def test_a_long_delay_rings_nobody_until_it_ends(store: Store, bell: Bell, clock: Clock):
    store.publish(later(clock, 60), key="work")
    assert not was_rung(bell)

    clock.move(60)
    store.tick()
    assert was_rung(bell)


@pytest.mark.parametrize("settle", ["requeue", "give_back"])
def test_a_message_that_comes_back_rings(store: Store, bell: Bell, owner: int, settle: str):
    store.publish(draft(), key="work")
    [claimed] = store.claim(owner, "work")
    assert was_rung(bell)

    getattr(store, settle)(owner, [claimed.id])

    assert was_rung(bell)


def test_a_dead_letter_rings_those_who_listen_for_it(store: Store, bell: Bell, owner: int):
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "work"}
    store.declare_queue("mail", arguments=arguments)
    store.publish(draft(), key="mail")
    [claimed] = store.claim(owner, "mail")
    assert not was_rung(bell)

    store.reject(owner, [claimed.id])

    assert was_rung(bell)


def test_a_change_that_is_undone_rings_nobody(store: Store, bell: Bell):
    with pytest.raises(LookupError):
        store.publish(draft(), exchange="nowhere", key="work")

    assert not was_rung(bell)


def test_many_rings_are_answered_by_one_look(bell: Bell):
    for _ in range(50):
        bell.ring()

    assert was_rung(bell)
    assert not was_rung(bell)


def test_waiting_ends_at_the_ring(bell: Bell):
    bell.ring()

    bell.wait(60)
