"""Whatever ends as a dead letter is kept in the database, once, with why."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from fw_core.attempt.failure import TaskError
from fw_core.attempt.outcome import Cause
from fw_core.broker.topology import DELIVERY_LIMIT
from fw_core.errors import NotSent
from fw_core.headers import DEAD, TRIES
from fw_worker.dead_letters import batch
from fw_worker.dead_letters.batch import keep
from fw_worker.outcomes import KeptOutcome


def test_a_dead_letter_is_kept_with_all_that_its_worker_said(world):
    death = world.death()
    world.send([[7], {"gift": True}, {}], death=death, priority=3)

    assert world.collect() == 1

    [letter] = world.letters()
    assert (letter.dead_id, letter.task_id, letter.task_name) == (
        "message-1",
        "call-1",
        "orders.bill",
    )
    assert (letter.cause, letter.reason, letter.attempts) == (
        "retries-spent",
        "the last of 2 attempts failed",
        2,
    )
    assert (letter.error_type, letter.error_message) == ("ValueError", "no such order")
    assert (letter.traceback, letter.worker, letter.queue) == ("Traceback …", "fw-1@host", "mail")
    assert json.loads(letter.arguments) == {"args": [7], "kwargs": {"gift": True}}
    assert json.loads(letter.tries)[0][2] == "ValueError: no"
    assert (letter.state, letter.died_at) == ("dead", death.at)
    assert letter.body == b'[[7], {"gift": true}, {}]'
    assert json.loads(letter.properties)["priority"] == 3


def test_nothing_is_left_with_the_broker(world):
    world.send(death=world.death())
    world.collect()
    assert world.waiting("fw.dead") == []


def test_a_message_that_is_collected_twice_is_kept_once(world):
    """Its collector was killed after the commit and before the acknowledgement."""
    for _ in range(2):
        world.send(death=world.death())
        assert world.collect() == 1
    assert len(world.letters()) == 1


def test_messages_with_one_id_and_different_bodies_are_all_kept(world):
    """A foreign sender may give every message the same id."""
    for number in range(3):
        world.send([[number], {}, {}], message="same", call=f"call-{number}")
        world.send([[number], {}, {}], message="same", call=f"call-{number}")
    world.collect()
    assert {letter.task_id for letter in world.letters()} == {"call-0", "call-1", "call-2"}


def test_messages_without_an_id_are_told_apart_by_their_content(world):
    for number in (1, 2, 2):
        world.send([[number], {}, {}], message=None)
    world.send([[2], {}, {}], message=None, headers={"eta": "tomorrow"})
    world.send([[2], {}, {}], message=None, content_type="text/plain")
    world.collect()
    assert len(world.letters()) == 4


def test_a_message_without_an_id_that_is_delivered_again_is_kept_once(world):
    for count in (0, 1):
        world.send(message=None, headers={"x-delivery-count": count})
        world.collect()
    assert len(world.letters()) == 1


def test_a_settled_death_touches_no_result(world):
    world.send(death=world.death(is_settled=True))
    world.collect()
    assert world.state_of("call-1") == "PENDING"


def test_an_unsettled_death_leaves_a_failure_for_who_waits(world):
    world.send(death=world.death(is_settled=False))
    world.collect()

    row = world.app.backend.load(["call-1"])["call-1"]
    assert (row.state, row.attempts, row.worker) == ("FAILURE", 2, "fw-1@host")
    assert (row.error_type, row.error_message) == ("ValueError", "no such order")


def test_an_unsettled_death_tells_its_error_callbacks_in_their_tasks_queue(world):
    callback = {"task": "orders.alert", "args": [], "kwargs": {}, "options": {}, "immutable": False}
    embed = {"errbacks": [callback]}
    world.send([[7], {}, embed], death=world.death(is_settled=False))
    world.collect()

    [told] = world.waiting("mail")
    assert (told["task"], told["payload"][0]) == ("orders.alert", ["call-1"])


def test_an_error_callback_goes_to_the_queue_that_it_names(world):
    """The collector knows neither the task nor, from the settings, the queue."""
    callback = {"task": "x", "args": [], "kwargs": {}, "options": {"queue": "far"}}
    world.send([[7], {}, {"errbacks": [callback]}], death=world.death(is_settled=False))
    world.collect()
    assert [message["task"] for message in world.waiting("far")] == ["x"]


def test_an_unsettled_death_fails_the_join_that_it_is_a_member_of(world):
    body = {"task": "orders.sum", "args": [], "kwargs": {}, "options": {"task_id": "sum-1"}}
    world.send(
        [[7], {}, {"chord": {**body, "chord_size": 1}}],
        headers={"group": "join-1", "group_index": 0},
        death=world.death(is_settled=False),
    )
    world.collect()
    assert world.app.backend.load(["sum-1"])["sum-1"].error_type == "fw_core.JoinFailed"


# Messages that say nothing of their end


def test_a_rejected_message_is_kept_with_what_its_worker_stored(world):
    failed = TaskError("ValueError", "no such order", "Traceback …")
    world.app.backend.mark_as_failure("call-1", batch.AttemptFailed(failed))
    world.send(to="fw.tasks")
    world.channel.basic_get("mail").reject()
    world.collect()

    [letter] = world.letters()
    assert (letter.cause, letter.queue) == (Cause.REJECTED, "mail")
    assert (letter.error_type, letter.error_message) == ("ValueError", "no such order")


def test_a_message_that_another_program_rejected_ends_with_a_failure(world):
    world.send(to="fw.tasks")
    world.channel.basic_get("mail").reject()
    world.collect()

    [letter] = world.letters()
    assert (letter.cause, letter.error_type) == (Cause.REJECTED, "Rejected")
    assert world.state_of("call-1") == "FAILURE"


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe", b"no json", b"{}", b"[1, 2, 3]", b'"text"', b"", b'[[1], {"a": 1}]'],
    ids=repr,
)
def test_what_is_no_call_is_kept_as_it_is(world, body):
    world.send(body, to="fw.tasks")
    world.channel.basic_get("mail").reject()
    world.collect()

    [letter] = world.letters()
    assert (letter.cause, letter.body, letter.arguments) == (Cause.UNREADABLE, body, None)
    assert letter.task_name == "orders.bill"


def test_another_content_type_is_unreadable(world):
    world.send(b"[[1], {}, {}]", content_type="application/x-python-serialize")
    world.collect()
    assert world.letters()[0].cause == Cause.UNREADABLE


def test_a_message_that_was_delivered_too_often_says_so(world):
    world.send(to="fw.tasks")
    for _ in range(DELIVERY_LIMIT + 1):
        world.channel.basic_get("mail").requeue()
    world.collect()

    [letter] = world.letters()
    assert letter.cause == Cause.DELIVERED_TOO_OFTEN
    assert world.state_of("call-1") == "FAILURE"


def test_a_message_that_the_broker_expired_says_so(world):
    world.send(to="fw.tasks", expiration="1000")
    world.clock.advance(2)
    world.store.advance()
    world.collect()
    assert world.letters()[0].cause == Cause.EXPIRED


def test_a_message_whose_queue_was_gone_after_its_wait_says_so(world):
    world.app.topology.declare_wait(world.channel, 1000)
    world.send(to="fw.wait.1000", key="gone")
    world.clock.advance(2)
    world.store.advance()
    world.collect()

    [letter] = world.letters()
    assert (letter.cause, letter.queue) == (Cause.UNROUTABLE, "gone")
    assert world.state_of("call-1") == "FAILURE"


def test_a_message_that_was_rejected_after_a_wait_was_rejected(world):
    """Its notes tell of both ends; the newest counts."""
    world.app.topology.declare_wait(world.channel, 1000)
    world.send(to="fw.wait.1000")
    world.clock.advance(2)
    world.store.advance()
    world.channel.basic_get("mail").reject()
    world.collect()
    assert world.letters()[0].cause == Cause.REJECTED


@pytest.mark.parametrize(
    "headers",
    [
        {"task": "t\x00" * 5000, "id": "i\x00" * 5000},
        {"task": 7, "id": ["x"]},
        {"x-death": "none"},
        {"x-death": [7, {"reason": 7, "queue": None, "time": "soon"}]},
        {"fw-dead": "{}"},
        {"fw-dead": 7, "retries": "many", "group": {}, "ignore_result": "?"},
        {"nested": {"text": "\x00", "bytes": b"\xff"}},
    ],
    ids=repr,
)
def test_odd_headers_are_kept(world, headers):
    world.send(headers=headers)
    assert world.collect() == 1
    assert len(world.letters()) == 1


def test_numbers_that_no_column_can_hold_are_cut(world):
    world.send(death=world.death(attempts=10**30))
    world.collect()
    assert world.letters()[0].attempts == 2**31 - 1


def test_what_a_stranger_wrote_is_cut_to_what_a_row_can_hold(world):
    """A letter whose names are too long for an index is kept under its call all the same."""
    long = "é" * 100_000
    facts = json.loads(world.death().to_header())
    facts |= dict.fromkeys(("reason", "queue", "worker"), long)
    facts["error"] = {"type": long, "message": long, "traceback": long}
    world.send(task=long, call=long, headers={DEAD: json.dumps(facts)})

    world.collect()

    [letter] = world.letters()
    note = 50
    for name in ("task_id", "task_name", "queue", "reason", "error_type", "worker"):
        assert 500 <= len(getattr(letter, name).encode()) <= 500 + note
    assert 8 * 1024 <= len(letter.error_message.encode()) <= 8 * 1024 + note
    assert 64 * 1024 <= len(letter.traceback.encode()) <= 64 * 1024 + note


# What stands in the way


def test_a_long_note_is_cut(world, monkeypatch):
    def settle(*_: Any) -> None:
        raise ValueError("x" * 100_000)

    monkeypatch.setattr(batch, "settle_failure", settle)
    world.send(death=world.death(is_settled=False))
    world.collect()
    assert 8 * 1024 <= len(world.letters()[0].note) <= 8 * 1024 + 50


def test_who_can_never_be_told_is_noted_and_the_letter_kept(world):
    """A join that is none."""
    death = world.death(is_settled=False)
    world.send([[7], {}, {"chord": 7}], headers={"group": "join-1"}, death=death)
    assert world.collect() == 1
    assert "could not be told" in world.letters()[0].note


def test_a_message_whose_callback_cannot_be_sent_now_stays_and_holds_up_no_other(
    world, monkeypatch
):
    def settle(app: Any, task_id: str, failed: Any, request: Any) -> None:
        if task_id == "unlucky":
            raise NotSent(task="x", task_id="y", broker="z", cause="its queue is full")

    monkeypatch.setattr(batch, "settle_failure", settle)
    for call in ("a", "unlucky", "b"):
        world.send(call=call, message=call, death=world.death(is_settled=False))

    assert world.collect() == 2
    assert [letter.task_id for letter in world.letters()] == ["a", "b"]

    monkeypatch.undo()
    assert world.collect() == 1


def test_while_the_database_is_away_all_stays_with_the_broker(world, make_world):
    away = make_world(database_url="sqlite:////proc/nowhere/all.db")
    for number in range(3):
        away.send(message=str(number))
    assert away.collect() == 0
    assert len(away.waiting("fw.dead")) == 3


def test_a_row_that_the_database_refuses_is_kept_as_the_bare_message(world):
    world.collect()
    world.app.backend.database.statement(
        lambda connection: connection.execute(
            text(
                "CREATE TRIGGER refuse BEFORE INSERT ON fw_dead_letters "
                "WHEN NEW.task_name = 'odd' BEGIN SELECT RAISE(ABORT, "
                f"'no odd ones{'!' * 5_000}'); END"
            )
        ),
        timeout=1,
    )
    world.send(message="a", death=world.death())
    world.send(message="b", task="odd", death=world.death())
    world.send(message="c", death=world.death())

    assert world.collect() == 3
    assert [(each.dead_id, each.task_name) for each in world.letters()] == [
        ("a", "orders.bill"),
        ("b", None),
        ("c", "orders.bill"),
    ]
    note = world.letters()[1].note
    assert note.startswith("no odd ones")
    assert len(note) < 1_050


# Outcomes


def test_a_kept_outcome_is_stored(world):
    outcome = KeptOutcome(task_id="call-1", value={"paid": 7}, context={}, is_stored=True)
    world.send(outcome.to_body(), to="fw.outcomes")
    assert world.collect() == 1
    assert world.state_of("call-1") == "SUCCESS"
    assert world.letters() == []


def test_a_kept_outcome_of_a_join_sends_what_waits(world):
    body = {"task": "orders.alert", "args": [], "kwargs": {}, "options": {"task_id": "next-1"}}
    context = {
        "id": "call-1", "group": "join-1", "group_index": 0,
        "chord": {**body, "chord_size": 1}, "task": "orders.bill",
    }  # fmt: skip
    outcome = KeptOutcome(task_id="call-1", value=7, context=context, is_stored=True)
    world.send(outcome.to_body(), to="fw.outcomes")
    world.collect()
    [sent] = world.waiting("mail")
    assert (sent["id"], sent["payload"][0]) == ("next-1", [[7]])


@pytest.mark.parametrize("body", [b"no json", b"{}", b"[1]"])
def test_an_outcome_that_cannot_be_read_is_kept_as_a_dead_letter(world, body):
    world.send(body, to="fw.outcomes", task=None, call=None)
    assert world.collect() == 1
    [letter] = world.letters()
    assert (letter.cause, letter.queue, letter.body) == (Cause.NO_RESULT, "fw.outcomes", body)


def test_between_two_messages_the_broker_hears_of_a_long_batch(world):
    beats: list[int] = []
    for number in range(3):
        world.send(message=str(number), death=world.death(is_settled=False))
    messages = [world.channel.basic_get("fw.dead") for _ in range(3)]
    keep(world.app, messages, between=lambda: beats.append(1))
    assert len(beats) == 3


def test_pruning_deletes_in_batches_what_is_old_and_decided(world):
    from fw_worker.dead_letters import table
    from fw_worker.dead_letters.pruning import prune

    for number in range(5):
        world.send(message=str(number), death=world.death())
    world.collect()
    database = world.app.backend.database
    now = world.app.now()
    database.transaction(lambda c: table.discard(c, ["0", "1", "2"], "old", now), timeout=1)
    database.transaction(lambda c: table.end_replay(c, ["3"], now), timeout=1)

    world.clock.advance(timedelta(days=89).total_seconds())
    assert prune(world.app) == (0, False)
    world.clock.advance(timedelta(days=2).total_seconds())
    assert prune(world.app, most=3) == (3, True)
    assert prune(world.app, most=3) == (1, False)
    assert [letter.dead_id for letter in world.letters()] == ["4"]  # it waits for a decision


def test_nothing_is_pruned_where_letters_are_kept_for_ever(make_world):
    from fw_worker.dead_letters import table
    from fw_worker.dead_letters.pruning import prune

    world = make_world(dead_letters_keep_days=0)
    world.send(death=world.death())
    world.collect()
    database = world.app.backend.database
    database.transaction(
        lambda c: table.discard(c, ["message-1"], "old", world.app.now()), timeout=1
    )
    world.clock.advance(timedelta(days=9000).total_seconds())
    assert prune(world.app) == (0, False)


def test_starts_are_pruned_after_a_week(world):
    from sqlalchemy import func, select

    from fw_core.database.tables import starts
    from fw_worker.dead_letters.pruning import prune

    world.collect()
    database = world.app.backend.database
    row = {"message_id": "m", "starts": 1, "started_at": world.app.now()}
    database.statement(lambda c: c.execute(starts.insert(), row), timeout=1)
    world.clock.advance(timedelta(days=8).total_seconds())
    prune(world.app)
    assert (
        database.statement(lambda c: c.scalar(select(func.count(starts.c.starts))), timeout=1) == 0
    )


def test_old_results_workflows_and_joins_are_pruned_and_young_ones_are_not(make_world):
    from sqlalchemy import func, select

    from fw_core.database import tables
    from fw_worker.dead_letters.pruning import prune

    world = make_world(results_keep_days=10)
    world.collect()
    database = world.app.backend.database
    now = world.app.now()

    def add(connection, name, at):
        for table, row in (
            (tables.results, {"task_id": name, "state": "SUCCESS", "attempts": 1}),
            (tables.workflows, {"workflow_id": name, "plan": '"a"', "data": "1"}),
            (tables.groups, {"group_id": name, "members": "[]"}),
            (tables.joins, {"join_id": name, "added": 0, "ended": 1}),
        ):
            connection.execute(table.insert(), {**row, "created_at": at})
        member = {"join_id": name, "member_id": name, "state": "SUCCESS"}
        connection.execute(tables.join_members.insert(), member)

    def left(connection):
        counted = ("results", "workflows", "groups", "joins", "join_members")
        return [
            connection.scalar(select(func.count()).select_from(getattr(tables, each)))
            for each in counted
        ]

    for number in range(3):
        at = now - timedelta(days=11)
        database.transaction(lambda c, at=at, number=number: add(c, f"old-{number}", at), timeout=1)
    database.transaction(lambda c: add(c, "young", now - timedelta(days=9)), timeout=1)

    assert prune(world.app, most=2) == (8, True)
    assert database.statement(left, timeout=1) == [2] * 5
    assert prune(world.app, most=2) == (4, False)
    assert database.statement(left, timeout=1) == [1] * 5


@pytest.mark.parametrize(
    "given",
    [
        {"headers": {DEAD: "[" * 60_000}},
        {"headers": {TRIES: "[" * 60_000}},
        {"call": "a\0b"},
        {"call": ["no", {"text": 1}]},
    ],
)
def test_whatever_a_stranger_wrote_the_others_are_collected(world, given):
    world.send(message="odd", **given)
    for number in range(3):
        world.send(message=str(number), death=world.death())

    world.collect()

    assert len(world.letters()) == 4
    assert world.waiting("fw.dead") == []


def test_a_message_that_breaks_the_reading_is_kept_as_it_came(world, monkeypatch):
    real = batch.infer

    def infer(raw, *rest, **options):
        if raw.properties["message_id"] == "odd":
            raise ZeroDivisionError("nobody thought of it")
        return real(raw, *rest, **options)

    monkeypatch.setattr(batch, "infer", infer)
    world.send([[8], {}, {}], message="odd")
    world.send(message="even")

    world.collect()

    odd, even = sorted(world.letters(), key=lambda letter: letter.dead_id, reverse=True)
    assert (odd.cause, odd.error_type) == ("unreadable", "ZeroDivisionError")
    assert odd.body == b"[[8], {}, {}]"
    assert even.cause != "unreadable"


def test_where_what_is_stored_cannot_be_read_the_letters_are_kept_without(world, monkeypatch):
    def load(*_: Any) -> Any:
        raise ValueError("A string literal cannot contain NUL (0x00) characters.")

    monkeypatch.setattr(type(world.app.backend), "load", load)
    world.send()
    world.send(message="other", death=world.death())
    assert world.collect() == 2


# What was to start a workflow


def test_what_the_broker_gave_up_of_the_queue_of_workflows_is_no_unreadable_call(world):
    """Whatever its headers and its body look like, it is no call: nobody's result is a failure."""
    died = [{"queue": "fw.workflows", "reason": "delivery_limit", "time": world.clock.now()}]
    body = {"task": "orders.bill", "id": "call-1", "args": [], "kwargs": {}}
    world.send(body, key="fw.workflows", call="call-1", headers={"x-death": died})
    world.collect()

    [letter] = world.letters()
    assert (letter.cause, letter.queue) == (Cause.DELIVERED_TOO_OFTEN, "fw.workflows")
    assert "A message of the start of a workflow was delivered 21 times" in letter.error_message
    assert (letter.arguments, world.state_of("call-1")) == (None, "PENDING")
