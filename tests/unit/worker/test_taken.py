"""Counting the messages that come to a worker."""

from __future__ import annotations

from types import SimpleNamespace

from fw_worker.taken import Taken


class Message(SimpleNamespace):
    __hash__ = object.__hash__


def given(queue="mail", *, redelivered=False):
    return Message(
        delivery_info={"routing_key": queue, "redelivered": redelivered}, acknowledged=False
    )


def test_each_message_is_counted_and_handed_on():
    taken, handed = Taken(), []
    on_message = taken.counting(handed.append)
    messages = [given(), given(redelivered=True), given("bulk")]
    for one in messages:
        on_message(one)
    assert handed == messages
    assert (taken.total, taken.redelivered) == (3, 1)
    assert taken.by_queue == {"mail": 2, "bulk": 1}


def test_what_is_settled_or_let_go_is_not_held():
    taken = Taken()
    kept, settled = given(), given()
    taken.add(kept)
    taken.add(settled)
    taken.add(given())
    settled.acknowledged = True
    assert taken.unsettled() == [kept]


def test_a_lost_connection_takes_its_messages_along():
    taken, one = Taken(), given()
    taken.add(one)
    taken.forget()
    assert taken.unsettled() == []
    assert taken.total == 1
