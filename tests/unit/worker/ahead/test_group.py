"""A group, seen from the first process: the pool's part is played here, the board is real."""

from __future__ import annotations

import pickle
import time
from types import SimpleNamespace

import pytest

from fw_worker.ahead import board
from fw_worker.ahead.board import Board, Place
from fw_worker.ahead.group import STUCK_SECONDS, Group
from fw_worker.ahead.in_process import run_group


class Request:
    """Notes what it is told."""

    def __init__(self, name: str, told: list, fails: bool = False) -> None:
        self.name, self._told, self._fails = name, told, fails
        self.task = SimpleNamespace(time_limit=60.0)
        self.is_reported = False
        self.is_looked_up = False

    def brief(self):
        return (self.name,)

    def may_have_run(self) -> None:
        self.is_looked_up = True

    def __getattr__(self, what):
        if not what.startswith("on_"):
            raise AttributeError(what)

        def tell(*args):
            self._told.append((self.name, what.removeprefix("on_")))
            if self._fails:
                raise RuntimeError(self.name)

        return tell


class Pool:
    """billiard's, as far as a group knows it."""

    def __init__(self) -> None:
        self._pool = self
        self.killed = []

    def apply_async(self, function, args, **callbacks):
        self.sent, self.callbacks = args, callbacks
        self.result = type("Result", (), {"_timeout": None})()
        return self.result

    def on_hard_timeout(self, result):
        self.killed.append(result._timeout)
        self.callbacks["error_callback"]("time limit exceeded")
        self.callbacks["timeout_callback"](False, result._timeout)


class World:
    def __init__(self, *names: str, broken: str = "") -> None:
        self.told, self.again, self.over = [], [], []
        self.members = [Request(name, self.told, fails=name == broken) for name in names]
        self.pool = Pool()
        self.group = Group(
            list(self.members),
            Board().take(len(names)),
            again=lambda requests: self.again.extend(request.name for request in requests),
            ended=self.over.append,
        )
        self.group.send(self.pool)
        self.pool.callbacks["accept_callback"](1, time.monotonic())
        self.told.clear()
        self.process = Place(self.pool.sent[0])  # what the process of the pool writes to

    def answers(self, *answers):
        self.pool.callbacks["callback"](list(answers))

    def lost(self):
        self.pool.callbacks["error_callback"]("the process is gone")


@pytest.fixture
def late(monkeypatch):
    """Time stands still, and this lets it pass."""
    now = [time.monotonic()]
    monkeypatch.setattr(
        "fw_worker.ahead.group.time", SimpleNamespace(monotonic=lambda: now[0], time=lambda: now[0])
    )
    clock = SimpleNamespace(monotonic_ns=lambda: int(now[0] * 1e9))
    monkeypatch.setattr("fw_worker.ahead.board.time", clock)

    def add(seconds: float) -> float:
        now[0] += seconds
        return now[0]

    return add


def test_each_request_is_told_its_own_answer():
    world = World("a", "b", "c")
    world.answers((True, "done"), (False, "failed"), (True, "done"))
    assert world.told == [("a", "traced"), ("b", "failure"), ("c", "traced")]
    assert (world.again, world.over) == ([], [world.group])


def test_one_that_cannot_take_note_of_its_answer_is_alone_with_that(caplog):
    world = World("a", "b", "c", broken="a")
    world.answers(*[(True, "done")] * 3)
    assert [name for name, _ in world.told] == ["a", "b", "c"]
    assert "could not be taken note of" in caplog.text


def test_of_a_process_that_died_only_the_attempt_that_ran_has_failed():
    world = World("a", "b", "c", "d")
    world.process.begin(0)
    world.process.end(0)
    world.process.settle(1)
    world.process.begin(1)
    world.lost()
    assert world.told == [("a", "settled"), ("b", "failure")]
    assert (world.again, world.over) == (["c", "d"], [world.group])


def test_of_a_process_that_died_between_two_attempts_none_has_failed():
    world = World("a", "b")
    world.process.begin(0)
    world.process.end(0)
    world.process.settle(1)
    world.lost()
    assert world.told == [("a", "settled")]
    assert world.again == ["b"]


def test_what_had_ended_and_was_not_settled_is_sent_anew():
    world = World("a", "b", "c", "d")
    for number in range(3):
        world.process.begin(number)
        if number < 2:
            world.process.end(number)
    world.process.settle(1)
    world.lost()
    assert world.told == [("a", "settled"), ("c", "failure")]
    assert world.again == ["b", "d"]
    looked_up = [each.name for each in world.members if each.is_looked_up]
    assert looked_up == ["b"]


def test_of_a_process_that_died_before_the_first_all_are_sent_anew():
    world = World("a", "b")
    world.lost()
    assert (world.told, world.again) == ([], ["a", "b"])


def test_what_waits_behind_a_long_attempt_is_taken_back(late):
    """In two looks: what the process begins meanwhile is seen by the second."""
    world = World("a", "b", "c", "d")
    world.process.begin(0)
    late(STUCK_SECONDS * 1.1)
    assert world.group.look()
    assert world.again == []
    late(STUCK_SECONDS)
    assert world.group.look()
    assert world.again == ["b", "c", "d"]
    assert not world.process.begin(1)
    world.answers((True, "done"))
    assert world.told == [("a", "traced")]
    assert (world.again, world.over) == (["b", "c", "d"], [world.group])


def test_one_that_the_process_begins_while_it_is_taken_back_runs_there(late):
    world = World("a", "b", "c")
    world.process.begin(0)
    late(STUCK_SECONDS * 1.1)
    world.group.look()
    world.process.end(0)
    world.group.place.limit = 3  # as the process saw it when it asked
    assert world.process.begin(1)
    world.group.place.limit = 1
    world.group.look()
    assert world.again == ["c"]
    world.answers((True, "done"), (True, "done"))
    assert world.told == [("a", "traced"), ("b", "traced")]


def test_short_attempts_are_left_where_they_are(late):
    world = World("a", "b", "c")
    for number in range(3):
        world.process.begin(number)
        late(STUCK_SECONDS * 0.4)
        assert world.group.look()
        world.process.end(number)
    assert world.again == []
    world.answers(*[(True, "done")] * 3)
    assert not world.group.look()


def test_the_hard_limit_is_that_of_the_attempt_and_costs_no_other(late):
    world = World("a", "b", "c")
    world.process.begin(0)
    world.process.end(0)
    world.process.settle(1)
    world.process.begin(1)
    late(59)
    world.group.look()
    assert world.pool.killed == []
    late(2)
    world.group.look()
    assert world.pool.killed == [60.0]
    assert world.told == [("a", "settled"), ("b", "failure"), ("b", "timeout")]
    assert world.again == ["c"]


def test_the_attempt_that_failed_with_its_process_ran_from_its_own_begin(late):
    world = World("a", "b")
    world.process.begin(0)
    late(30)
    world.process.end(0)
    world.process.settle(1)
    began = late(0)
    world.process.begin(1)
    late(2)
    world.lost()
    assert world.members[1].time_start == pytest.approx(began)


def test_the_attempt_that_runs_is_known():
    world = World("a", "b")
    assert world.group.running is None
    world.process.begin(0)
    assert world.group.running is world.members[0]
    world.process.end(0)
    assert world.group.running is None


def test_what_was_held_is_not_let_go_again():
    """The number of begun ones may be one too high for a moment."""
    world = World("a", "b", "c")
    world.process.begin(0)
    world.group.hold()
    world.process.end(0)
    at = world.process._at
    board._words[at + board._BEGUN] = 2  # it is being refused just now
    world.group.hold()
    assert world.group.place.limit == 1


# Those that join while it runs


def join(world: World, *names: str) -> bool:
    requests = [Request(name, world.told) for name in names]
    world.members += requests
    return world.group.take_in(requests)


def test_what_has_succeeded_is_settled_while_the_others_run():
    world = World("a", "b", "c")
    world.process.finish(0, 0.5)
    world.group.settle()
    assert world.told == [("a", "traced")]
    world.group.settle()
    assert world.told == [("a", "traced")]
    world.process.finish(1, 0.5)
    world.answers((False, "failed"))
    assert world.told == [("a", "traced"), ("b", "traced"), ("c", "failure")]
    assert world.again == []


def test_those_that_join_are_members_like_the_others():
    world = World("a", "b")
    assert join(world, "c", "d")
    assert world.told == [("c", "accepted"), ("d", "accepted")]
    world.told.clear()
    assert world.process.joined() == [("c",), ("d",)]
    for number in range(3):
        assert world.process.begin(number)
        world.process.end(number)
        world.process.finish(number, 0.0)
    world.group.settle()
    assert world.process.begin(3)
    assert world.group.running is world.members[3]
    world.process.settle(3)
    world.lost()
    assert world.told == [*[(name, "traced") for name in "abc"], ("d", "failure")]
    assert world.again == []


def test_one_that_joins_too_late_is_sent_anew():
    world = World("a", "b")
    world.process.finish(0, 0.0)
    world.process.finish(1, 0.0)
    assert join(world, "c")
    world.told.clear()
    world.answers()
    assert world.told == [("a", "traced"), ("b", "traced")]
    assert (world.again, world.over) == (["c"], [world.group])


def test_none_joins_a_group_that_waits_for_a_process_or_was_held():
    world = World("a", "b")
    world.group.hold()
    assert not join(world, "c")
    world = World("a", "b")
    world.group.is_accepted = False
    assert not join(world, "c")


def test_what_joined_is_taken_back_from_behind_a_long_attempt(late):
    world = World("a", "b")
    for number in range(2):
        world.process.begin(number)
        world.process.end(number)
        world.process.finish(number, 0.0)
    assert join(world, "c", "d", "e")
    world.told.clear()
    world.process.begin(2)
    world.group.settle()
    late(STUCK_SECONDS * 1.1)
    world.group.look()
    late(STUCK_SECONDS)
    world.group.look()
    assert world.again == ["d", "e"]
    assert not world.process.begin(3)
    world.answers((True, "done"))
    assert world.told == [(name, "traced") for name in "abc"]


# The same in the process


def test_a_process_runs_what_joins_before_it_has_ended(monkeypatch):
    """It asks for more when it has half of what it knows behind it."""
    place, ran, asked = Board().take(2), [], []

    def run(brief, is_reported):
        ran.append(brief)
        if brief == "b":
            place.join(3, pickle.dumps(["c", "d", "e"]))
        return True, (0, "", 0.0)

    monkeypatch.setattr("fw_worker.ahead.in_process._run", run)
    monkeypatch.setattr(Place, "ask", lambda self: asked.append(ran[-1]))
    assert run_group(place.number, ["a", "b"], is_reported=False) == []
    assert ran == ["a", "b", "c", "d", "e"]
    assert asked == ["a", "c"]
    assert (place.begun, place.ended, place.done) == (5, 5, 5)


def test_a_process_begins_none_that_joined_and_was_taken_back(monkeypatch):
    place, ran = Board().take(1), []

    def run(brief, is_reported):
        ran.append(brief)
        if brief == "a":
            place.join(2, pickle.dumps(["b", "c"]))
        if brief == "b":
            place.limit = 2
        return True, (0, "", 0.0)

    monkeypatch.setattr("fw_worker.ahead.in_process._run", run)
    assert run_group(place.number, ["a"], is_reported=False) == []
    assert (ran, place.begun) == (["a", "b"], 2)
