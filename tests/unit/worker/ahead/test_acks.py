"""What the broker is told, read by a model of it: it refuses a number that it does not owe."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_worker.ahead.acks import Acks

FRAME = struct.Struct(">BHIHHQBB")


class Broker:
    """The deliveries of one channel that are not settled."""

    def __init__(self) -> None:
        self.owed: set[int] = set()
        self.writes = 0

    def deliver(self, count: int, first: int) -> None:
        self.owed |= set(range(first, first + count))

    def write(self, data: bytes) -> None:
        self.writes += 1
        for kind, channel, size, of, method, tag, multiple, end in FRAME.iter_unpack(data):
            assert (kind, channel, size, of, method, end) == (1, 7, 13, 60, 80, 0xCE)
            assert tag in self.owed, f"PRECONDITION_FAILED - unknown delivery tag {tag}"
            self.owed -= {one for one in self.owed if one <= tag} if multiple else {tag}

    def reject(self, tag: int, requeue: bool) -> None:
        assert tag in self.owed
        self.owed.discard(tag)


class Channel:
    channel_id = 7

    def __init__(self, broker: Broker) -> None:
        self.connection = self
        self.transport = broker
        self.bytes_sent = 0
        self.basic_reject = broker.reject


class World:
    def __init__(self, *, at_once: bool = False) -> None:
        self.broker = Broker()
        self.channel = Channel(self.broker)
        self.later = []
        self.at_once = at_once
        self.acks = Acks(
            self.channel,
            soon=self.later.append,
            at_once=lambda: self.at_once,
            errors=(ConnectionError,),
        )

    def turn(self) -> None:
        while self.later:
            self.later.pop(0)()


@given(st.data())
def test_exactly_what_was_settled_is_settled_at_the_broker(data):
    world, delivered, running = World(), 0, []
    acked, rejected = set(), set()
    for _ in range(data.draw(st.integers(1, 30))):
        step = data.draw(st.sampled_from(["deliver", "ack", "reject", "turn"]))
        if step == "deliver":
            count = data.draw(st.integers(1, 8))
            world.broker.deliver(count, delivered + 1)
            running += range(delivered + 1, delivered + count + 1)
            delivered += count
        elif step == "turn":
            world.turn()
            assert set(running) == world.broker.owed
        elif running:
            tag = running.pop(data.draw(st.integers(0, len(running) - 1)))
            if step == "ack":
                world.channel.basic_ack(tag)
                acked.add(tag)
            else:
                world.channel.basic_reject(tag, requeue=True)
                rejected.add(tag)
    world.turn()
    assert set(running) == world.broker.owed


def test_a_turn_is_one_write_and_a_row_of_deliveries_one_frame():
    world = World()
    world.broker.deliver(100, 1)
    lengths = []
    write = world.broker.write
    world.broker.write = lambda data: (lengths.append(len(data)), write(data))
    for tag in range(1, 101):
        world.channel.basic_ack(tag)
    assert lengths == []
    world.turn()
    assert lengths == [FRAME.size]
    assert world.channel.bytes_sent == 1


def test_beyond_a_message_that_still_runs_they_are_said_one_by_one():
    world = World()
    world.broker.deliver(5, 1)
    for tag in (1, 2, 4, 5):
        world.channel.basic_ack(tag)
    world.turn()
    assert world.broker.owed == {3}
    world.channel.basic_ack(3)
    world.turn()
    assert world.broker.owed == set()


def test_a_worker_that_stops_says_each_at_once():
    world = World(at_once=True)
    world.broker.deliver(1, 1)
    world.channel.basic_ack(1)
    assert (world.broker.owed, world.later) == (set(), [])


def test_what_a_lost_connection_owed_is_not_said_to_the_next_one():
    world = World()
    world.broker.deliver(1, 1)
    world.channel.basic_ack(1)
    world.channel.connection = None
    world.turn()
    assert world.broker.writes == 0


def test_a_connection_that_is_lost_while_it_is_said_is_found_by_whoever_reads():
    world = World()

    def write(_):
        raise ConnectionError

    world.channel.transport.write = write
    world.channel.basic_ack(1)
    world.turn()


def test_several_at_once_are_refused():
    with pytest.raises(ValueError, match="one by one"):
        World().channel.basic_ack(3, multiple=True)


def test_a_long_task_among_many_short_ones_costs_no_memory():
    world = World()
    world.broker.deliver(10_000, 1)
    for tag in range(2, 10_001):
        world.channel.basic_ack(tag)
        world.turn()
    assert len(world.acks._rows_from) == len(world.acks._rows_to) <= 2
    world.channel.basic_ack(1)
    world.turn()
    assert world.broker.owed == set()
