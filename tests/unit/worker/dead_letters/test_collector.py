"""The collector goes on, whatever is away for a while."""

from __future__ import annotations

import itertools

import pytest

from fw_core.errors import NotSent, ResultStoreError
from fw_worker.dead_letters import batch
from fw_worker.dead_letters.collector import BATCH, IDLE_SECONDS, Collector, _Held


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
    collector._inbox = [_Held(None, is_dead=True) for _ in range(2 * BATCH)]
    waited = []

    class Silent:
        heartbeat = 0

        def drain_events(self, timeout):
            waited.append(timeout)
            raise TimeoutError

    assert collector.turn(Silent()) is None
    assert waited == [IDLE_SECONDS]
