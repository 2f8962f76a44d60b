"""Delays and limits on waiting: only the clock decides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_core.broker.local import Draft, Store, due

from .local_drafts import Clock, draft, numbers

STEPS = (
    "later", "brief", "take", "ack", "requeue", "give back", "reject", "purge", "delete", "pass",
    "advance",
)  # fmt: skip


def later(clock: Clock, seconds: float, number: object = 0) -> Draft:
    eta = datetime.fromtimestamp(clock() + seconds, UTC).isoformat()
    return draft(number, headers={"eta": eta})


@pytest.fixture(autouse=True)
def work(store: Store) -> None:
    store.declare_queue("work")


def test_a_delayed_message_waits_until_it_is_due(store: Store, owner: int, clock: Clock):
    store.publish(later(clock, 60), key="work")

    clock.move(59.9)
    assert store.claim(owner, "work") == []
    clock.move(0.2)
    assert len(store.claim(owner, "work")) == 1


def test_next_due_says_when_the_first_delay_ends(store: Store, clock: Clock):
    assert store.next_due() is None
    store.publish(later(clock, 60), key="work")
    store.publish(later(clock, 30), key="work")

    assert store.next_due() == clock() + 30


@given(st.lists(st.sampled_from(STEPS), max_size=12))
def test_next_due_is_right_after_whatever_is_done(steps: list[str]) -> None:
    """A store in memory remembers it; it must forget it at each change."""
    clock = Clock()
    store = Store(clock=clock)
    store.declare_queue("work")
    store.declare_queue("brief", arguments={"x-message-ttl": 5_000})
    owner = store.register_owner()
    held: list[int] = []

    def settle(do: Callable[[int, list[int]], None]) -> None:
        do(owner, held[:1])
        del held[:1]

    what: dict[str, Callable[[], object]] = {
        "later": lambda: store.publish(later(clock, 7), key="work"),
        "brief": lambda: store.publish(draft(), key="brief"),
        "take": lambda: held.extend(found.id for found in store.claim(owner, "brief")),
        "ack": lambda: settle(store.ack),
        "requeue": lambda: settle(store.requeue),
        "give back": lambda: settle(store.give_back),
        "reject": lambda: settle(store.reject),
        "purge": lambda: store.purge("brief"),
        "delete": lambda: store.delete_queue("work") and store.declare_queue("work"),
        "pass": lambda: clock.move(2),
        "advance": store.advance,
    }
    assert set(what) == set(STEPS)
    for step in steps:
        what[step]()
        with store._database.reading() as db:
            assert store.next_due() == due.next_due(db), step
    store.close()


def test_a_store_that_starts_like_another_holds_what_that_holds(clock: Clock) -> None:
    first, second = Store(clock=clock), Store(clock=clock)
    first.declare_queue("work")
    first.publish(later(clock, 60, "first"), key="work")
    assert second.next_due() is None
    second.start_like(first)
    assert second.next_due() == clock() + 60
    second.publish(draft("second"), key="work")
    assert numbers(second.messages("work")) == ["second", "first"]
    assert numbers(first.messages("work")) == ["first"]


def test_messages_that_become_due_together_come_by_their_time(
    store: Store, owner: int, clock: Clock
):
    for seconds in (30, 10, 20):
        store.publish(later(clock, seconds, seconds), key="work")

    clock.move(60)
    assert numbers(store.claim(owner, "work", limit=3)) == [10, 20, 30]


def test_a_message_that_becomes_due_goes_behind_those_that_wait_already(
    store: Store, owner: int, clock: Clock
):
    """As from a wait queue in production: its place is where it arrives, not where it was sent."""
    store.publish(later(clock, 10, "delayed"), key="work")
    store.publish(draft("waiting"), key="work")
    clock.move(11)
    store.advance()
    store.publish(draft("new"), key="work")

    assert numbers(store.claim(owner, "work", limit=3)) == ["waiting", "delayed", "new"]


def test_a_due_message_of_high_priority_goes_first(store: Store, owner: int, clock: Clock):
    store.publish(draft("low"), key="work")
    delayed = later(clock, 10, "high")
    store.publish(Draft(delayed.body, delayed.headers, {"priority": 9}), key="work")
    clock.move(11)

    assert numbers(store.claim(owner, "work")) == ["high"]


def test_the_zone_of_an_eta_is_obeyed(store: Store, clock: Clock):
    zone = timezone(timedelta(hours=5, minutes=30))
    eta = datetime.fromtimestamp(clock() + 60, zone).isoformat()
    store.publish(draft(headers={"eta": eta}), key="work")

    assert store.next_due() == clock() + 60


@pytest.mark.parametrize("eta", [None, "", "soon", 17, "2001-01-01T00:00:00+00:00"])
def test_an_eta_that_is_past_or_unreadable_holds_nothing_back(
    store: Store, owner: int, eta: object
):
    store.publish(draft(headers={"eta": eta}), key="work")

    assert len(store.claim(owner, "work")) == 1


def test_the_counts_know_a_due_message_before_anybody_claims_it(store: Store, clock: Clock):
    store.publish(later(clock, 10), key="work")
    [queue] = store.queues()
    assert (queue.ready, queue.delayed) == (0, 1)

    clock.move(10)
    [queue] = store.queues()
    [message] = store.messages("work")
    assert (queue.ready, queue.delayed, message.state) == (1, 0, "ready")


def test_a_message_that_waits_longer_than_its_queue_allows_becomes_a_dead_letter(
    store: Store, owner: int, clock: Clock
):
    arguments = {"x-message-ttl": 5_000, "x-dead-letter-exchange": ""}
    store.declare_queue("wait", arguments={**arguments, "x-dead-letter-routing-key": "work"})
    store.publish(draft(1), key="wait")

    assert store.next_due() == clock() + 5
    assert store.claim(owner, "work") == []
    clock.move(5)
    [got] = store.claim(owner, "work")
    assert [(d["queue"], d["reason"]) for d in got.headers["x-death"]] == [("wait", "expired")]


def test_a_messages_own_limit_is_taken_off_and_remembered(store: Store, owner: int, clock: Clock):
    """Otherwise it would expire again where it is meant to be read."""
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "work"}
    store.declare_queue("wait", arguments=arguments)
    store.publish(draft(expiration="2000"), key="wait")

    clock.move(2)
    [got] = store.claim(owner, "work")
    assert got.headers["x-death"][0]["original-expiration"] == "2000"
    assert "expiration" not in got.properties


def test_the_limit_on_waiting_starts_when_the_delay_ends(store: Store, clock: Clock):
    store.declare_queue("short", arguments={"x-message-ttl": 5_000})
    store.publish(later(clock, 60), key="short")

    clock.move(61)
    store.advance()
    assert [message.state for message in store.messages("short")] == ["ready"]
    clock.move(5)
    store.advance()
    assert store.messages("short") == []


def test_what_a_worker_owns_does_not_expire(store: Store, owner: int, clock: Clock):
    store.declare_queue("short", arguments={"x-message-ttl": 5_000})
    store.publish(draft(), key="short")
    store.claim(owner, "short")

    clock.move(60)
    store.advance()
    assert [message.state for message in store.messages("short")] == ["owned"]


def test_ten_thousand_years_are_no_problem(store: Store):
    """The furthest time that an eta can say."""
    store.publish(draft(headers={"eta": "9999-12-31T23:59:59+00:00"}), key="work")

    assert store.next_due() == 253402300799.0


def test_ready_counts_leave_out_what_is_delayed_and_other_queues(
    store: Store, owner: int, clock: Clock
):
    store.declare_queue("other")
    assert store.ready_counts(["work", "other"]) == {}
    for number in range(3):
        store.publish(draft(number), key="work")
    store.publish(later(clock, 60), key="work")
    store.publish(draft(), key="other")
    store.claim(owner, "work")

    assert store.ready_counts(["work"]) == {"work": 2}
    clock.move(60)
    assert store.ready_counts(["work", "other", "none"]) == {"work": 3, "other": 1}
