"""The comparison itself: whatever differs is seen, and what is promised nowhere is not."""

from __future__ import annotations

import pytest
from scenario import Scenario, scenario, scenarios
from scenario_story import difference, started_in_order, story

from . import fake_engine
from .recorded import Recorded
from .test_scenarios import compare

WRITTEN = """
    pays(1)
        1: retry in 0.1 s after ConnectionError: no route
        2: succeeded 'paid'
        result SUCCESS 'paid' after 2 attempts
    ships(1) by pays(1) to mail
        1: succeeded None
"""


def test_blocks_are_compared_in_any_order_and_with_any_indent():
    first, second = WRITTEN.split("    ships")
    assert difference(WRITTEN, f"    ships{second}{first}") == ""


@pytest.mark.parametrize(
    ("this", "that"),
    [
        ("retry in 0.1 s", "retry in 0.2 s"),
        ("ConnectionError", "TimeoutError"),
        ("2: succeeded", "3: succeeded"),
        ("        1: retry in 0.1 s after ConnectionError: no route\n", ""),
        ("        2: succeeded 'paid'\n", "        2: succeeded 'paid'\n" * 2),
        ("after 2 attempts", ""),
        ("by pays(1)", "after pays(1)"),
        (" to mail", ""),
        ("ships(1)", "ships(2)"),
        ("SUCCESS", "FAILURE"),
        ("'paid' after", "'payed' after"),
    ],
)
def test_one_event_that_differs_is_a_difference(this: str, that: str):
    assert this in WRITTEN
    assert difference(WRITTEN, WRITTEN.replace(this, that))


def test_events_of_one_call_are_in_order():
    first, second = "        1: succeeded 1\n", "        result SUCCESS 1\n"
    assert difference(f"a(1)\n{first}{second}", f"a(1)\n{second}{first}")


def test_the_same_block_twice_is_two_calls():
    block = "a(1)\n    1: succeeded 1\n"
    assert difference(block, block * 2)
    assert difference(block * 2, block * 2) == ""


def test_a_difference_shows_what_is_written_and_what_happened():
    shown = difference("a(1)\n    1: succeeded 1", "a(1)\n    1: succeeded 2")
    assert "-     1: succeeded 1" in shown
    assert "+     1: succeeded 2" in shown


def sent(id: str, *, parent: str | None = None, joins: bool = False) -> dict[str, object]:
    facts = {"queue": "q-default", "root": id, "delayed": False, "expires": False, "priority": None}
    named = {"kind": "sent", "id": id, "task": id, "args": [], "kwargs": {}, "scenario": "s"}
    return {**named, **facts, "parent": parent, "joins": joins}


def started(id: str) -> dict[str, object]:
    return {"kind": "started", "id": id, "task": id, "args": [], "kwargs": {}, "attempt": 1}


def succeeded(id: str) -> dict[str, object]:
    named = {"kind": "ended", "id": id, "task": id, "attempt": 1, "again": False}
    return {**named, "outcome": "succeeded", "value": None}


def test_a_call_that_was_sent_while_another_ran_was_sent_by_it():
    rows = [sent("a"), started("a"), sent("b", parent="a"), succeeded("a")]
    assert "b() by a()" in story(rows, {}, [], prefix="q-")


def test_a_call_that_was_sent_when_another_had_ended_follows_it():
    rows = [sent("a"), started("a"), succeeded("a"), sent("b", parent="a")]
    assert "b() after a()" in story(rows, {}, [], prefix="q-")
    assert "b() after its join" in story([sent("a", joins=True), *rows[1:]], {}, [], prefix="q-")


def test_an_attempt_that_did_not_end_is_told():
    told = story([sent("a"), started("a"), started("a"), succeeded("a")], {}, [], prefix="q-")
    assert told == "a()\n    1: started\n    1: succeeded None"


def test_a_worker_that_is_quicker_than_its_sender_makes_no_difference():
    """The message is in its queue before the sender can note that it is."""
    late = [started("a"), succeeded("a"), sent("a")]
    assert story(late, {}, [], prefix="q-") == story(
        [sent("a"), started("a"), succeeded("a")], {}, [], prefix="q-"
    )


def test_only_first_attempts_count_for_the_order():
    rows = [started("b"), started("a"), started("b")]
    assert started_in_order(rows) == ["b()", "a()"]


def test_another_order_of_calls_is_a_difference():
    one = Scenario("one", "here", "", lambda: None, in_order=("a()", "b()"))
    compare(one, Recorded("", ("a()", "b()")))
    compare(one, Recorded("", ("b()", "a()")), in_any_order=True)
    with pytest.raises(AssertionError):
        compare(one, Recorded("", ("b()", "a()")))


def test_two_scenarios_of_one_name_are_an_error():
    def a_call_that_succeeds():
        pass

    scenarios()
    with pytest.raises(AssertionError, match="two scenarios are called"):
        scenario("")(a_call_that_succeeds)


def test_there_are_at_least_a_hundred_scenarios():
    assert len(scenarios()) >= 100


def test_a_fake_that_states_another_wait_is_found_out(monkeypatch: pytest.MonkeyPatch):
    """The fake is broken on purpose: its policy waits a second longer than it is told to."""
    from fw_core import RetryPolicy

    stated = RetryPolicy.stated_wait
    monkeypatch.setattr(RetryPolicy, "stated_wait", lambda self, n: stated(self, n) + 1)
    with pytest.raises(pytest.fail.Exception, match=r"\+     1: retry in 1\.1 s"):
        compare(*played("a_call_that_is_tried_again"))


def test_a_fake_that_tells_nobody_of_an_attempt_is_found_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fw_worker.attempts.tell", lambda _: None)
    with pytest.raises(pytest.fail.Exception, match="-     1: succeeded 'paid'"):
        compare(*played("a_call_that_succeeds"))


def test_a_fake_that_drops_a_step_is_found_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fw_worker.settle.follow_ups", lambda *_, **__: ())
    with pytest.raises(pytest.fail.Exception, match=r"- adds\(2, 3\) after adds\(1, 1\)"):
        compare(*played("a_chain"))


def test_a_fake_that_runs_a_call_twice_is_found_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fw_worker.attempts.may_have_run", lambda *_: False)
    with pytest.raises(pytest.fail.Exception, match=r"\+     1: succeeded '20 in default'"):
        compare(*played("the_same_call_twice_runs_twice_at_most"))


def played(name: str) -> tuple[Scenario, Recorded]:
    return scenarios()[name], fake_engine.play(scenarios()[name])
