"""A replay sends the same call again, once, and only what can succeed."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from fw_core.attempt.outcome import Cause
from fw_core.broker.publish import FULL, Unconfirmed, fix_of
from fw_core.errors import (
    BrokerUnreachable,
    OptionError,
    ReplayRunning,
    ReplayStopped,
    UnknownDeadLetter,
)
from fw_core.headers import REPLAYED, WORKFLOW
from fw_worker.dead_letters import sending_again, table
from fw_worker.dead_letters.choice import Choice
from fw_worker.dead_letters.discarding import discard
from fw_worker.dead_letters.one_at_a_time import one_replay
from fw_worker.dead_letters.sending_again import replay, uncollected
from fw_worker.dead_letters.table import Filter

ALL = Choice()


@pytest.fixture
def dead(world):
    """Makes dead letters: as many calls as are asked for."""

    def make(number=1, **given):
        for each in range(1, number + 1):
            facts = {"call": f"call-{each}", "message": f"message-{each}", **given}
            world.send(**{"death": world.death(), **facts})
        world.collect()

    return make


def states(world):
    return [letter.state for letter in world.letters()]


def test_a_replayed_letter_is_the_same_call_in_a_fresh_message(world, dead):
    embed = {"chain": [{"task": "orders.next"}], "callbacks": None}
    dead(
        body=[[7], {"gift": True}, embed],
        headers={
            "retries": 3,
            "eta": "2026-01-01T00:00:00",
            "expires": "2026-01-01T00:00:00",
            "fw-tries": "[]",
            "fw-laters": 2,
            "x-delivery-count": 4,
            "x-first-death-queue": "mail",
            "root_id": "root-1",
            "own": {"number": 1},
        },
        correlation_id="call-1",
        priority=7,
    )

    report = replay(world.app, ALL)

    [message] = world.waiting("mail")
    assert message["payload"] == [[7], {"gift": True}, embed]
    assert (message["id"], message["task"], message["root_id"]) == (
        "call-1",
        "orders.bill",
        "root-1",
    )
    assert (message["retries"], message["eta"], message["expires"]) == (0, None, None)
    assert message[REPLAYED] is True
    assert (message["correlation_id"], message["priority"]) == ("call-1", 7)
    assert message["own"] == {"number": 1}
    gone = {"fw-dead", "fw-tries", "fw-laters", "x-death", "x-delivery-count"}
    assert not gone & set(message)
    assert message["message_id"] != "message-1"
    assert report.sent[0].notes == ("Its 'expires' is left out: it is over.",)
    assert states(world) == ["replayed"]


def test_a_dry_run_sends_nothing_and_changes_nothing(world, dead):
    dead(3)
    report = replay(world.app, ALL, is_dry=True)
    assert len(report.sent) == 3
    assert world.waiting("mail") == []
    assert states(world) == ["dead"] * 3


def test_a_second_replay_has_nothing_to_send(world, dead):
    dead(3)
    replay(world.app, ALL)
    assert replay(world.app, ALL).sent == []
    assert len(world.waiting("mail")) == 3


def test_many_are_sent_page_by_page(world, dead, monkeypatch):
    monkeypatch.setattr("fw_worker.dead_letters.choice.PAGE", 10)
    dead(35)
    assert len(replay(world.app, ALL).sent) == 35
    assert len({message["id"] for message in world.waiting("mail")}) == 35


def test_a_rate_is_kept(world, dead):
    slept = []
    dead(10)
    replay(world.app, ALL, rate=4, sleep=slept.append)
    assert slept == [1.0, 1.0]  # nobody waits after the last one


@pytest.mark.parametrize("name", ["message-2", "call-2"])
def test_one_is_chosen_by_its_id_or_that_of_its_call(world, dead, name):
    dead(3)
    replay(world.app, Choice(ids=(name,)))
    assert [message["id"] for message in world.waiting("mail")] == ["call-2"]


def test_an_id_that_is_none_sends_nothing(world, dead):
    dead(2)
    with pytest.raises(UnknownDeadLetter, match="'nobody'"):
        replay(world.app, Choice(ids=("call-1", "nobody")))
    assert world.waiting("mail") == []


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(task="orders.refund"),
        Filter(queue="default"),
        Filter(error="NoRoute"),
        Filter(error="http.NoRoute"),
        Filter(cause="gave-up"),
    ],
    ids=repr,
)
def test_a_filter_chooses(world, dead, wanted):
    dead(3)
    error = type(world.death().error)("http.NoRoute", "no route")
    death = world.death(queue="default", cause=Cause.GAVE_UP, error=error)
    world.send(task="orders.refund", call="other", message="other", death=death)
    world.collect()
    report = replay(world.app, Choice(wanted=wanted))
    assert [each.letter.task_id for each in report.sent] == ["other"]


def test_times_choose(world, dead):
    dead(1)
    world.clock.advance(3600)
    noon = world.app.now()
    world.send(call="late", message="late", death=world.death())
    world.collect()
    early, late = Filter(until=noon), Filter(since=noon)
    assert [letter.task_id for letter in world.letters(early)] == ["call-1"]
    assert [letter.task_id for letter in world.letters(late)] == ["late"]


# What is refused


def test_a_call_whose_kept_result_is_a_success_is_refused(world, dead):
    dead(1)
    world.app.backend.store_result("call-1", 42, "SUCCESS")
    [refused] = replay(world.app, ALL).refused
    assert refused.why == "its kept result is a success."
    assert world.waiting("mail") == []


def test_what_is_no_call_is_refused(world, dead):
    dead(body=b"no json", death=None)
    [refused] = replay(world.app, ALL).refused
    assert "no call of a task" in refused.why


def test_a_queue_that_is_gone_is_named(world, dead):
    dead(death=world.death(queue="gone"))
    [refused] = replay(world.app, ALL).refused
    assert "no queue 'gone'" in refused.why


def test_a_letter_whose_queue_is_gone_can_be_sent_to_another(world, dead):
    dead(death=world.death(queue="gone"))
    [sent] = replay(world.app, ALL, to="default").sent
    assert sent.notes == ("It was in 'gone'.",)
    assert len(world.waiting("default")) == 1


def test_of_two_letters_of_one_call_the_newer_is_sent(world, dead):
    dead()
    world.clock.advance(60)
    dead(message="newer", death=world.death())
    report = replay(world.app, ALL)
    assert [each.letter.dead_id for each in report.sent] == ["newer"]
    assert [each.letter.dead_id for each in report.refused] == ["message-1"]


def test_the_newer_of_two_letters_is_the_one_that_died_last_however_they_were_collected(
    world, dead
):
    dead(message="newer", death=world.death(at=world.clock.now() + timedelta(seconds=60)))
    dead(message="older")
    assert [each.letter.dead_id for each in replay(world.app, ALL).sent] == ["newer"]


def test_what_was_replayed_or_discarded_is_refused_by_id(world, dead):
    dead(2)
    replay(world.app, Choice(ids=("call-1",)))
    discard(world.app, Choice(ids=("call-2",)), reason="not needed")
    report = replay(world.app, Choice(ids=("call-1", "call-2")))
    assert [each.why for each in report.refused] == [
        "it was replayed already.",
        "it was discarded already.",
    ]


def test_a_replayed_call_that_dies_again_is_a_new_letter(world, dead):
    dead()
    replay(world.app, ALL)
    world.channel.basic_get("mail").reject()
    world.collect()
    assert sorted(states(world)) == ["dead", "replayed"]


def test_a_call_of_celerys_first_protocol_starts_afresh_too(world, dead):
    body = {"task": "orders.bill", "id": "call-1", "args": [7], "kwargs": {}, "retries": 3}
    dead(body=body, task=None, call=None)
    replay(world.app, ALL)
    [message] = world.waiting("mail")
    assert message["payload"] == {**body, "retries": 0, "eta": None, "expires": None}


# Broken off


def break_off(monkeypatch, world, *, after):
    """Let the replay end where the second note would be, after sending or before."""
    real = type(world.app.amqp).post_all

    def post_all(self, producer, letters):
        if after:
            real(self, producer, letters)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(world.app.amqp), "post_all", post_all)
        with pytest.raises(KeyboardInterrupt):
            replay(world.app, ALL)


def test_a_replay_broken_off_before_it_sent_is_taken_up(world, dead, monkeypatch):
    dead(3)
    break_off(monkeypatch, world, after=False)
    assert states(world) == ["replaying"] * 3

    assert len(replay(world.app, ALL).sent) == 3
    assert len(world.waiting("mail")) == 3
    assert states(world) == ["replayed"] * 3


def test_a_replay_broken_off_after_it_sent_sends_the_same_message_again(world, dead, monkeypatch):
    """Under its id, so that a worker can tell."""
    dead(3)
    break_off(monkeypatch, world, after=True)
    replay(world.app, ALL)
    messages = world.waiting("mail")
    assert len(messages) == 6
    assert len({message["message_id"] for message in messages}) == 3
    assert {letter.replay_id for letter in world.letters()} == {
        message["message_id"] for message in messages
    }


def test_a_call_that_succeeded_after_the_replay_broke_off_is_not_sent_again(
    world, dead, monkeypatch
):
    dead(1)
    break_off(monkeypatch, world, after=True)
    world.app.backend.store_result("call-1", 42, "SUCCESS")
    report = replay(world.app, ALL)
    assert (len(report.done), report.sent, report.refused) == (1, [], [])
    assert len(world.waiting("mail")) == 1
    assert states(world) == ["replayed"]


def test_what_another_command_took_meanwhile_is_not_sent(world, dead, monkeypatch):
    dead(2)
    real = sending_again.decide

    def decide(*args, **more):
        discard(world.app, Choice(ids=("call-1",)), reason="quicker")
        return real(*args, **more)

    monkeypatch.setattr(sending_again, "decide", decide)
    report = replay(world.app, ALL)
    assert [each.letter.task_id for each in report.sent] == ["call-2"]
    assert [message["id"] for message in world.waiting("mail")] == ["call-2"]


# Discarding, counting


def test_a_discarded_letter_keeps_its_reason(world, dead):
    dead(2)
    discard(world.app, Choice(ids=("call-1",)), reason="cancelled by hand")
    discarded, left = world.letters()
    assert (discarded.state, discarded.note) == ("discarded", "cancelled by hand")
    assert left.state == "dead"


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_discard_without_a_reason_is_refused(world, dead, reason):
    dead()
    with pytest.raises(OptionError, match="--reason"):
        discard(world.app, ALL, reason=reason)


def test_what_is_not_collected_is_counted(world):
    world.send(death=world.death())
    world.send(death=world.death(), message="other")
    assert uncollected(world.app) == 2


def test_a_broker_that_is_away_is_said(make_world):
    world = make_world()
    world.app.conf.broker_url = world.app.broker_url = "amqp://guest:geheim@127.0.0.1:1//"
    with pytest.raises(BrokerUnreachable) as raised:
        uncollected(world.app)
    assert "geheim" not in str(raised.value)


def test_a_header_of_bytes_comes_back_as_bytes(world, dead):
    dead(headers={"when": b"\x00\xff"})
    replay(world.app, ALL)
    assert world.waiting("mail")[0]["when"] == b"\x00\xff"


def test_a_second_replay_is_refused_while_one_is_under_way(world, dead):
    """It would send the same letters a second time."""
    dead(3)

    with one_replay(world.app), pytest.raises(ReplayRunning):
        replay(world.app, ALL)

    assert states(world) == ["dead"] * 3
    replay(world.app, ALL)
    assert states(world) == ["replayed"] * 3


def test_a_replay_makes_sure_before_each_round_that_it_is_still_alone(world, dead, monkeypatch):
    """Its lock is gone with the connection to the database, and another replay may have begun."""
    rounds = iter(range(2))

    def make_sure():
        if next(rounds, None) is None:
            raise ReplayRunning

    monkeypatch.setattr(sending_again, "ROUND", 2)
    monkeypatch.setattr(sending_again, "one_replay", lambda _: nullcontext(make_sure))
    dead(5)

    with pytest.raises(ReplayRunning):
        replay(world.app, ALL)

    assert states(world) == ["replayed"] * 4 + ["dead"]
    assert len(world.waiting("mail")) == 4


@pytest.mark.parametrize("maybe", [False, True], ids=["refused", "in doubt"])
def test_a_replay_that_is_stopped_notes_what_became_of_each_letter(world, dead, monkeypatch, maybe):
    """What was confirmed, in this round or one before, is not sent a second time."""
    monkeypatch.setattr(sending_again, "ROUND", 2)
    dead(5)
    amqp = type(world.app.amqp)
    real, left = amqp.post, iter(range(3))

    def post(self, producer, letter, **more):
        if next(left, None) is None:
            raise Unconfirmed(FULL, maybe=maybe, fix=fix_of(FULL))
        real(self, producer, letter, **more)

    with monkeypatch.context() as patch:
        patch.setattr(amqp, "post", post)
        with pytest.raises(ReplayStopped) as stopped:
            replay(world.app, ALL)

    assert (stopped.value.sent, stopped.value.in_doubt) == (3, int(maybe))
    assert stopped.value.fix.startswith("let workers empty the queue")
    fourth = "replaying" if maybe else "dead"
    assert states(world) == ["replayed", "replayed", "replayed", fourth, "dead"]
    assert len(replay(world.app, ALL).sent) == 2
    assert [message["id"] for message in world.waiting("mail")] == [
        f"call-{number}" for number in range(1, 6)
    ]


@pytest.mark.parametrize(
    ("in_doubt", "sent", "rest"),
    [
        (0, "120 were sent.", "sends them."),
        (1, "120 were sent and 1 may be.", "under the same ids those that may be sent."),
    ],
)
def test_a_replay_that_is_stopped_says_what_may_have_been_sent(in_doubt, sent, rest):
    """So that nobody fears to say it again."""
    stopped = ReplayStopped(sent=120, in_doubt=in_doubt, broker="amqp://rabbit", cause="no confirm")
    assert stopped.what.endswith(sent)
    assert stopped.why.endswith(rest)


def test_a_replay_that_is_stopped_does_not_show_the_password(world, dead, monkeypatch):
    dead()

    def post(self, *_, **__):
        self.app.broker_url = "amqp://guest:geheim@rabbit//"
        raise Unconfirmed("connection refused", maybe=False)

    monkeypatch.setattr(type(world.app.amqp), "post", post)
    with pytest.raises(ReplayStopped, match="amqp://guest:\\*\\*\\*@rabbit//") as stopped:
        replay(world.app, ALL)
    assert "geheim" not in str(stopped.value)


@pytest.mark.parametrize("is_broken_off", [False, True])
def test_older_letters_of_a_call_end_with_its_newest(world, dead, monkeypatch, is_broken_off):
    """Sent later, they would run the call once more."""
    dead()
    if is_broken_off:
        break_off(monkeypatch, world, after=True)
    world.clock.advance(60)
    dead(2, message=None)

    replay(world.app, Choice(ids=("call-1",)))

    older, *rest = world.letters()
    assert (older.dead_id, older.state) == ("message-1", "replayed")
    assert older.note == "a newer dead letter of the same call was replayed"
    assert sorted(letter.state for letter in rest) == ["dead", "replayed"]
    assert all(letter.note is None for letter in rest)


def end_replay(world, *names):
    world.app.backend.database.transaction(
        lambda connection: table.end_replay(connection, names, world.app.now()), timeout=5
    )


def test_a_newer_letter_that_came_while_an_older_one_was_sent_still_waits(world, dead):
    """The replayed call died once more: somebody has to see that."""
    dead()
    world.clock.advance(60)
    dead(message="newer", death=world.death())
    end_replay(world, "message-1")
    assert states(world) == ["replayed", "dead"]


def test_a_discarded_letter_stays_discarded_when_a_newer_one_of_its_call_is_replayed(world, dead):
    """Its reason is kept for an audit."""
    dead()
    discard(world.app, ALL, reason="by hand")
    world.clock.advance(60)
    dead(message="newer", death=world.death())
    replay(world.app, ALL)
    assert states(world) == ["discarded", "replayed"]
    assert world.letters()[0].note == "by hand"


def test_a_letter_that_was_discarded_while_it_was_sent_stays_discarded(world, dead):
    dead()
    discard(world.app, ALL, reason="by hand")
    end_replay(world, "message-1")
    assert states(world) == ["discarded"]


def test_an_older_letter_is_sent_when_the_newer_one_of_its_call_was_discarded(world, dead):
    dead()
    world.clock.advance(60)
    dead(message="newer", death=world.death())
    discard(world.app, Choice(ids=("newer",)), reason="it came twice")
    report = replay(world.app, ALL)
    assert [each.letter.dead_id for each in report.sent] == ["message-1"]
    assert report.refused == []


def test_a_calls_id_means_its_letters_that_wait_for_a_decision(world, dead):
    dead()
    replay(world.app, ALL)
    world.clock.advance(60)
    dead(message="newer", death=world.death())
    report = replay(world.app, Choice(ids=("call-1",)))
    assert [each.letter.dead_id for each in report.sent] == ["newer"]
    assert report.refused == []


@pytest.mark.parametrize("is_dry", [False, True])
@pytest.mark.parametrize("work", [replay, partial(discard, reason="not needed")])
def test_what_is_reported_of_many_letters_is_small(world, dead, work, is_dry):
    dead(3, body=[["x" * 50_000], {}, {}])
    report = work(world.app, ALL, is_dry=is_dry)
    letters = report if isinstance(report, list) else [each.letter for each in report.sent]
    assert [letter.task_id for letter in letters] == ["call-1", "call-2", "call-3"]
    assert all(len(repr(letter)) < 2_000 for letter in letters)


@pytest.mark.parametrize(
    "large", ["body", "headers", "properties", "tries", "traceback", "arguments"]
)
def test_a_brief_letter_has_nothing_that_can_be_large(world, dead, large):
    """A report of a hundred thousand letters has to fit into memory."""
    dead()
    [letter] = world.letters()
    text = b"x" * 50_000 if large == "body" else "x" * 50_000
    assert len(repr(replace(letter, **{large: text}).brief())) < 2_000


def test_what_is_reported_of_many_refused_letters_is_small(world, dead):
    dead(3, body=[["x" * 50_000], {}, {}])
    for number in range(1, 4):
        world.app.backend.store_result(f"call-{number}", 42, "SUCCESS")
    refused = replay(world.app, ALL).refused
    assert len(refused) == 3
    assert all(len(repr(each)) < 2_000 for each in refused)


@pytest.mark.parametrize(
    "work",
    [partial(replay, is_dry=True), partial(discard, reason="not needed")],
    ids=["dry replay", "discard"],
)
def test_where_nothing_is_sent_the_bodies_stay_in_the_database(world, dead, monkeypatch, work):
    real, read = table.page, []

    def page(*args, **more):
        found = real(*args, **more)
        read.extend(found)
        return found

    monkeypatch.setattr(table, "page", page)
    dead(2)
    work(world.app, ALL)
    assert [(letter.body, letter.traceback) for letter in read] == [(b"", None)] * 2


# What was to start a workflow


@pytest.fixture
def dead_start(world):
    """Makes a dead letter of a message that was to start a workflow."""

    def make(**given):
        world.app.topology.declare_queue(world.channel, "fw.workflows")
        death = world.death(queue="fw.workflows", cause=Cause.NO_WORKFLOW, attempts=0)
        facts = {"key": "fw.workflows", "task": None, "call": None, "death": death, **given}
        world.send({"workflow": ["wrong"], "id": "order-17"}, **facts)
        world.collect()

    return make


def test_a_message_that_started_no_workflow_is_replayed_as_it_came(world, dead_start):
    """With its body, who asked for a reply, and the id that its workflow would have had."""
    dead_start(message="m-1", reply_to="replies", correlation_id="c-1", headers={"own": 1})

    report = replay(world.app, ALL)

    assert (len(report.sent), report.refused) == (1, [])
    [message] = world.waiting("fw.workflows")
    assert message["payload"] == {"workflow": ["wrong"], "id": "order-17"}
    assert (message[WORKFLOW], message["own"], message[REPLAYED]) == ("m-1", 1, True)
    assert (message["reply_to"], message["correlation_id"]) == ("replies", "c-1")
    assert message["message_id"] != "m-1"
    assert not {"retries", "eta", "expires", "fw-dead"} & set(message)
    assert states(world) == ["replayed"]


def test_a_workflow_keeps_its_id_however_often_its_message_is_replayed(world, dead_start):
    dead_start(message="m-2", headers={WORKFLOW: "m-1"})
    replay(world.app, ALL)
    assert world.waiting("fw.workflows")[0][WORKFLOW] == "m-1"


def test_without_its_queue_it_is_not_sent(make_world):
    world = make_world()
    death = world.death(queue="fw.workflows", cause=Cause.NO_WORKFLOW)
    world.send({"workflow": 3}, key="fw.workflows", task=None, call=None, death=death)
    world.collect()

    [refused] = replay(world.app, ALL).refused
    assert refused.why.startswith("there is no queue 'fw.workflows': start a worker")
