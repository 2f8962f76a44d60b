"""The collector goes on, whatever is away for a while."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta

import pytest
from kombu import Message

from fw_core.attempt.outcome import Cause
from fw_core.broker.publish import Unconfirmed
from fw_core.errors import NotSent, ResultStoreError
from fw_core.headers import UNSETTLED
from fw_worker import outcomes
from fw_worker.dead_letters import batch
from fw_worker.dead_letters.collector import IDLE_SECONDS, Collector
from fw_worker.dead_letters.inbox import BATCH, HELD, Inbox
from fw_worker.dead_letters.making_room import Waited


class Stop(SystemExit):
    """The test has seen enough."""


@pytest.fixture
def run(world):
    """Runs a collector until a condition holds; its clock leaps over every pause."""

    def run(until):
        turns = itertools.count()

        def check():
            if until() or next(turns) > 100:
                raise Stop

        leaps = itertools.count(step=40)
        with pytest.raises(Stop):
            Collector(world.app, check, monotonic=lambda: next(leaps)).run()
        assert until()

    return run


def test_what_could_not_be_stored_is_stored_when_the_database_is_back(world, run, monkeypatch):
    for number in range(3):
        world.send(message=str(number), death=world.death())
    database = world.app.backend.database
    real, failures = type(database).statement, iter(range(4))

    def away(*_, **__):
        raise ResultStoreError(database="db", cause="it is away", fix="wait")

    def sometimes(self, work, *, timeout):
        return away() if next(failures, None) is not None else real(self, work, timeout=timeout)

    monkeypatch.setattr(type(database), "statement", sometimes)
    with monkeypatch.context() as patch:
        patch.setattr(type(database), "transaction", away)
        run(lambda: next(failures, None) is None)
    assert world.letters() == []

    run(lambda: world.waiting("fw.dead") == [])
    assert len(world.letters()) == 3


def test_one_unlucky_message_is_tried_again_and_the_others_go_on(world, run, monkeypatch):
    tries = []

    def settle(app, task_id, failed, request):
        if task_id == "unlucky":
            tries.append(1)
            if len(tries) < 3:
                raise NotSent(task="x", task_id="y", broker="z", cause="its queue is full")

    monkeypatch.setattr(batch, "settle_failure", settle)
    for call in ("unlucky", "a", "b"):
        world.send(call=call, message=call, death=world.death(is_settled=False))

    run(lambda: world.waiting("fw.dead") == [])
    assert len(tries) == 3
    assert len(world.letters()) == 3


def test_a_lost_broker_is_connected_to_again(world, run, monkeypatch):
    world.send(death=world.death())
    losses = iter([OSError("gone"), OSError("gone")])
    real = Collector.turn

    def turn(self, connection):
        for loss in losses:
            raise loss
        return real(self, connection)

    monkeypatch.setattr(Collector, "turn", turn)
    run(lambda: world.waiting("fw.dead") == [])
    assert len(world.letters()) == 1


def test_while_the_database_is_away_a_full_inbox_waits(world, monkeypatch):
    """It would turn as fast as the processor lets it."""
    collector = Collector(world.app, monotonic=lambda: 10.0)
    collector._not_before = 20.0
    for _ in range(2 * BATCH):
        collector._inbox.take(Message(channel=world.channel), is_dead=True)
    waited = []

    class Silent:
        heartbeat = 0

        def drain_events(self, timeout):
            waited.append(timeout)
            raise TimeoutError

    assert collector.turn(Silent()) is None
    assert waited == [IDLE_SECONDS]


@pytest.fixture
def collect(world):
    """Runs a collector by the real clock until a condition holds."""

    def collect(until):
        end = time.monotonic() + 60

        def check():
            if until() or time.monotonic() > end:
                raise Stop

        with pytest.raises(Stop):
            Collector(world.app, check).run()
        assert until()

    return collect


class Taker:
    """Takes dead letters as a collector does, one step at a time."""

    def __init__(self, world):
        self.world = world
        self.inbox = Inbox(world.app)
        self.channel = world.connection.channel()

    def take(self):
        """Take what is there."""
        while (found := self.channel.basic_get("fw.dead")) is not None:
            self.inbox.take(self.channel.message_to_python(found), is_dead=True)
        return self.inbox.held

    def fail(self):
        """Take what is there, and be unable to settle it."""
        held = self.take()
        self.inbox.try_later(held, batch.keep(self.world.app, [each.message for each in held]))
        assert all(each.tries for each in held)

    def put_behind(self):
        """Move all of it to the tail."""
        self.inbox._move(self.inbox.held, time.monotonic(), is_dead=True)

    def die(self):
        """The broker gives to others what was not acknowledged."""
        self.channel.close()


@pytest.fixture
def taker(world):
    return Taker(world)


@pytest.fixture
def full(world, monkeypatch):
    """A queue that takes no error callback: whoever waits for a call named so cannot be told."""
    names = set()

    def settle(app, task_id, failed, request):
        if task_id in names:
            raise NotSent(task="x", task_id="y", broker="z", cause="its queue is full")

    monkeypatch.setattr(batch, "settle_failure", settle)

    def fill(number, **given):
        for each in range(number):
            call = f"stuck-{each}"
            names.add(call)
            told = {"message": call, "death": world.death(is_settled=False), **given}
            world.send(call=call, **told)
        return names

    return fill


def calls(world):
    return [letter.task_id for letter in world.letters()]


def test_what_cannot_be_settled_yet_does_not_stand_in_the_way(world, full, collect, caplog):
    """More of them than a collector may hold; the log hears of each once."""
    names = full(HELD + 50)
    world.send(call="last", message="last", death=world.death(is_settled=False))
    collect(lambda: calls(world) == ["last"])

    names.clear()
    collect(lambda: world.waiting("fw.dead") == [])
    assert sorted(calls(world)) == sorted(["last", *(f"stuck-{n}" for n in range(HELD + 50))])
    told = [record.args[0] for record in caplog.records if "will be tried" in record.msg]
    assert sum(told) == HELD + 50


def test_outcomes_that_cannot_be_stored_yet_do_not_stand_in_the_way(world, collect, monkeypatch):
    stored = []

    def store(app, outcome):
        if outcome.task_id != "last":
            raise NotSent(task="x", task_id="y", broker="z", cause="its queue is full")
        stored.append(outcome.task_id)

    monkeypatch.setattr(outcomes, "store", store)
    for call in (*(f"stuck-{n}" for n in range(HELD + 50)), "last"):
        kept = outcomes.KeptOutcome(task_id=call, value=1, context={}, is_stored=True)
        outcomes.post(world.app, kept)
    collect(lambda: stored == ["last"])


def test_what_makes_room_keeps_its_death_and_its_age(world, full, taker):
    """Also where only the broker's note told of it, which a copy does not carry."""
    died = datetime(2026, 1, 2, tzinfo=UTC)
    note = {"queue": "mail", "reason": "delivery_limit", "time": died, "count": 1}
    names = full(1, message=None, death=None, headers={"x-death": [note]})
    since = world.clock.now()
    taker.fail()
    world.clock.advance(timedelta(hours=1))
    taker.put_behind()

    [copy] = world.waiting("fw.dead")
    assert "x-death" not in copy
    another = Taker(world)
    [held] = another.take()
    assert (held.tries, held.since) == (1, since)
    another.die()
    names.clear()
    assert world.collect() == 1
    [letter] = world.letters()
    assert (letter.cause, letter.died_at.replace(tzinfo=UTC)) == (Cause.DELIVERED_TOO_OFTEN, died)
    assert UNSETTLED not in letter.headers


@pytest.mark.parametrize(
    "given",
    [{}, {"message": None}, {"message": None, "death": None, "headers": {"x-death": []}}],
    ids=["with an id", "without one", "that died in the broker"],
)
def test_a_collector_killed_between_copy_and_original_leaves_one_row(
    world, full, taker, monkeypatch, given
):
    names = full(1, **given)
    taker.fail()

    def killed(self):
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(Message, "ack", killed)
        with pytest.raises(Stop):
            taker.put_behind()
    taker.die()
    assert len(world.waiting("fw.dead")) == 2

    names.clear()
    assert world.collect() == 2
    assert len(world.letters()) == 1


def test_a_copy_that_is_not_confirmed_leaves_the_original(world, full, taker, monkeypatch):
    full(2)
    taker.fail()

    def post(*_, **__):
        raise Unconfirmed("no confirm in time", maybe=False)

    with monkeypatch.context() as patch:
        patch.setattr(type(world.app.amqp), "post", post)
        taker.put_behind()
    assert [held.stays for held in taker.inbox.held] == [True, False]
    taker.die()
    assert len(world.waiting("fw.dead")) == 2


def test_a_collection_by_hand_goes_past_what_cannot_be_settled(world, full):
    full(BATCH + 50)
    world.send(call="last", message="last", death=world.death(is_settled=False))
    assert world.collect() == 1
    assert calls(world) == ["last"]
    assert len(world.waiting("fw.dead")) == BATCH + 50


@pytest.mark.parametrize("header", [None, 7, "", "[", "[]", '["a", "b", "c"]', '[0, "x", "y"]'])
def test_a_header_that_somebody_else_wrote_is_no_wait(header):
    assert Waited.from_header(header) is None
