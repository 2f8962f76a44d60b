"""``fw dead``: dead letters looked at, sent again, discarded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from fw_core.attempt.failure import TaskError
from fw_core.attempt.outcome import Cause
from fw_core.broker.app import App
from fw_core.headers import DEAD
from fw_core.settings import read_settings
from fw_worker.dead_letters import table
from fw_worker.dead_letters.alone import collector_app
from fw_worker.dead_letters.collector import collect_once
from fw_worker.dead_letters.death import Death, Try


@pytest.fixture
def app(place) -> Iterator[App]:
    """An app on the files that the command works on."""
    app = collector_app(read_settings(), {})
    yield app
    app.amqp.close_connections()


@pytest.fixture
def die(app) -> Callable[..., None]:
    """Makes dead letters, collected unless told otherwise."""

    def die(*calls, cause=Cause.RETRIES_SPENT, task="orders.bill", body=None, collected=True):
        with app.connection_for_write() as connection:
            channel = connection.default_channel
            app.topology.declare_base(channel)
            app.topology.declare_queue(channel, "default")
            for call in calls:
                death = Death(
                    cause=cause,
                    reason="the last of 2 attempts failed",
                    error=TaskError("http.NoRoute", "no route", "line 1 of …"),
                    at=app.now(),
                    attempts=2,
                    queue="default",
                    worker="fw-1@host",
                    tries=(Try(number=1, at=app.now(), error="NoRoute: no route", worker="w"),),
                    is_settled=True,
                )
                message = channel.prepare_message(
                    body or b"[[7], {}, {}]",
                    content_type="application/json",
                    content_encoding="utf-8",
                    headers={"task": task, "id": call, DEAD: death.to_header()},
                    properties={"message_id": f"message-{call}"},
                )
                channel.basic_publish(message, app.topology.dead, "default")
            if collected:
                collect_once(app, connection)

    return die


def test_no_dead_letters_are_none(fw):
    assert fw("dead", "list").stdout == "No dead letters.\n"


def test_the_list_shows_letters_and_counts_them_by_cause(fw, die):
    die("a", "b")
    die("c", cause=Cause.GAVE_UP, task="orders.refund")
    said = fw("dead", "list").stdout
    assert "message-c" in said
    assert "orders.refund" in said
    assert "http.NoRoute: no route" in said
    assert said.splitlines()[-1] == "3 dead letters: 2 retries-spent, 1 gave-up."


def test_the_list_says_how_many_are_still_with_the_broker(fw, die):
    die("a", collected=False)
    assert "1 more is still with the broker" in fw("dead", "list").stdout
    assert json.loads(fw("dead", "list", "--json").stdout)["uncollected"] == 1
    assert fw("dead", "collect").stdout == "Collected 1.\n"
    assert "message-a" in fw("dead", "list").stdout


def test_a_long_list_shows_the_newest_and_counts_all(fw, die):
    die("a", "b", "c")
    document = json.loads(fw("dead", "list", "--limit", "1", "--json").stdout)
    assert [letter["id"] for letter in document["letters"]] == ["message-c"]
    assert (document["total"], document["by_cause"]) == (3, {"retries-spent": 3})


@pytest.mark.parametrize(
    "words,found",
    [
        (("--task", "orders.refund"), ["message-b"]),
        (("--cause", "gave-up"), ["message-b"]),
        (("--error", "NoRoute"), ["message-b", "message-a"]),
        (("--error", "Route"), []),
        (("--queue", "mail"), []),
        (("--since", "1h"), ["message-b", "message-a"]),
        (("--until", "1h"), []),
        (("--until", "2999-01-01"), ["message-b", "message-a"]),
    ],
)
def test_filters_narrow_the_list_down(fw, die, words, found):
    die("a")
    die("b", cause=Cause.GAVE_UP, task="orders.refund")
    document = json.loads(fw("dead", "list", *words, "--json").stdout)
    assert [letter["id"] for letter in document["letters"]] == found


@pytest.mark.parametrize(
    "words,says",
    [
        (("list", "--cause", "gave-upp"), "Did you mean 'gave-up'?"),
        (("list", "--since", "soon"), "--since is 'soon', which is no time."),
        (("replay",), "Neither ids nor --all is given."),
        (("replay", "--task", "t"), "Neither ids nor --all is given, only a filter."),
        (("replay", "a", "--all"), "Ids and --all"),
        (("replay", "a", "--task", "t"), "Ids and --all"),
        (("replay", "nobody"), "No dead letter has the id 'nobody'"),
        (("show", "nobody"), "No dead letter has the id 'nobody'"),
        (("discard", "--all", "--reason", " "), "--reason is empty."),
    ],
)
def test_what_makes_no_sense_is_refused_with_2(fw, words, says):
    assert says in fw("dead", *words, code=2).stderr


def test_show_tells_everything_of_a_letter(fw, die):
    die("a")
    said = fw("dead", "show", "message-a").stdout
    for part in ("orders.bill", "http.NoRoute: no route", "line 1 of …", "NoRoute: no route"):
        assert part in said
    [document] = json.loads(fw("dead", "show", "a", "--json").stdout)
    assert document["arguments"] == {"args": [7], "kwargs": {}}
    assert document["tries"][0]["attempt"] == 1
    assert document["headers"]["task"] == "orders.bill"
    assert document["body"] == "[[7], {}, {}]"


def test_show_tells_of_bytes_that_are_no_text(fw, die):
    die("a", body=b"\xff\xfe")
    [document] = json.loads(fw("dead", "show", "a", "--json").stdout)
    assert document["body"] == {"base64": "//4="}


def test_a_replay_without_yes_only_says_what_it_would_send(fw, die, queued):
    die("a", "b")
    said = fw("dead", "replay", "--all").stdout
    assert said.startswith("Would send 2 dead letters (2 orders.bill).\nNothing was done yet")
    assert queued() == []


def test_a_replay_sends_the_calls(fw, die, queued):
    die("a", "b")
    assert fw("dead", "replay", "--all", "--yes").stdout == (
        "Sent 2 dead letters (2 orders.bill).\n"
    )
    assert [message["id"] for message in queued()] == ["a", "b"]
    assert fw("dead", "list").stdout == "No dead letters.\n"


def test_a_named_letter_that_is_refused_exits_with_2(fw, die, app, queued):
    die("a", "b")
    app.backend.store_result("a", 42, "SUCCESS")
    said = fw("dead", "replay", "a", "b", "--yes", code=2)
    assert "Refused message-a (orders.bill): its kept result is a success." in said.stderr
    assert [message["id"] for message in queued()] == ["b"]


def test_a_replay_of_all_says_what_it_leaves(fw, die, app):
    die("a", "b")
    app.backend.store_result("a", 42, "SUCCESS")
    document = json.loads(fw("dead", "replay", "--all", "--json").stdout)
    assert [each["id"] for each in document["sent"]] == ["message-b"]
    assert [each["id"] for each in document["refused"]] == ["message-a"]
    assert document["dry"] is True


@pytest.fixture
def begin(app) -> Callable[..., None]:
    """Begins a replay of dead letters, and breaks it off."""

    def begin(*calls):
        letters = [(f"message-{call}", f"replay-{call}") for call in calls]
        app.backend.database.transaction(
            lambda connection: table.begin_replay(connection, letters, app.now()), timeout=5
        )

    return begin


def test_a_replay_says_what_one_before_had_sent_and_what_it_may_have_sent(fw, die, begin, app):
    die("a", "b", "c")
    begin("a", "b")
    app.backend.store_result("a", 42, "SUCCESS")
    note = "A replay that was broken off may have sent it; the id is the same."
    document = json.loads(fw("dead", "replay", "--all", "--json").stdout)
    assert document["sent_before"] == ["message-a"]
    assert [(each["id"], each["notes"]) for each in document["sent"]] == [
        ("message-b", [note]),
        ("message-c", []),
    ]
    assert fw("dead", "replay", "--all", "--yes").stdout == (
        "Sent 2 dead letters (2 orders.bill).\n"
        f"  1 of them: {note}\n"
        "1 had been sent by a replay that was broken off.\n"
    )


def test_a_replay_that_refuses_many_names_some_and_says_where_all_are(fw, die, app):
    calls = [f"call-{number}" for number in range(23)]
    die(*calls)
    for call in calls:
        app.backend.store_result(call, 42, "SUCCESS")
    *named, last = fw("dead", "replay", "--all").stderr.splitlines()
    assert len(named) == 20
    assert last == "Refused 3 more; --json lists them all."
    document = json.loads(fw("dead", "replay", "--all", "--json").stdout)
    assert len(document["refused"]) == 23


def test_a_discard_keeps_the_reason(fw, die):
    die("a", "b")
    assert "Would discard 1" in fw("dead", "discard", "a", "--reason", "by hand").stdout
    assert "Discarded 1" in fw("dead", "discard", "a", "--reason", "by hand", "--yes").stdout
    [document] = json.loads(fw("dead", "show", "a", "--json").stdout)
    assert (document["state"], document["note"]) == ("discarded", "by hand")
    assert "discarded" in fw("dead", "list", "--state", "discarded").stdout
    discarded = fw("dead", "discard", "--all", "--reason", "all", "--yes", "--json").stdout
    assert json.loads(discarded) == {"dry": False, "discarded": ["message-b"]}
