"""Chords: what waits for all of its members, and fails with any of them."""

from __future__ import annotations

from celery import chain, chord, group
from scenario import scenario, times_run
from scenario_recorder import watch
from scenarios_dead_letters import is_dead
from scenarios_workflows import adds, adds_late, breaks

from fw_core import current_attempt, task_framework
from fw_core.client import current_app
from fw_worker.dead_letters.choice import Choice
from fw_worker.dead_letters.sending_again import replay


@task_framework
def totals(numbers: list[int]) -> int:
    return sum(numbers)


@task_framework(retries=0)
def sometimes(succeeds_on: int) -> int:
    if times_run() < succeeds_on:
        raise ValueError("not yet")
    return succeeds_on


@scenario(
    """
    adds(0, 0)
        1: succeeded 0
        result SUCCESS 0
    adds(1, 1)
        1: succeeded 2
        result SUCCESS 2
    totals([0, 2]) after its join
        1: succeeded 2
        result SUCCESS 2
    """
)
def a_chord():
    chord([adds.s(0, 0), adds.s(1, 1)], app=current_app())(totals.s())


@scenario(
    """
    adds(5, 5)
        1: succeeded 10
        result SUCCESS 10
    totals([10]) after its join
        1: succeeded 10
        result SUCCESS 10
    """
)
def a_chord_of_one():
    chord([adds.s(5, 5)], app=current_app())(totals.s())


@scenario(
    """
    totals([])
        1: succeeded 0
        result SUCCESS 0
    """
)
def a_chord_of_none():
    chord([], app=current_app())(totals.s())


@scenario(
    """
    adds(0, 0)
        1: succeeded 0
        result SUCCESS 0
    adds_late(1, 1)
        1: retry in 0.1 s after ConnectionError: late
        2: succeeded 2
        result SUCCESS 2 after 2 attempts
    totals([0, 2]) after its join
        1: succeeded 2
        result SUCCESS 2
    """
)
def a_chord_waits_for_a_member_that_is_tried_again():
    chord([adds.s(0, 0), adds_late.s(1, 1)], app=current_app())(totals.s())


@scenario(
    """
    adds(0, 0)
        1: succeeded 0
        result SUCCESS 0
    breaks(1)
        1: failed ValueError: no 1
        result FAILURE ValueError: no 1
        dead retries-spent: the task has no retries
    what waits
        result FAILURE fw_core.JoinFailed: Not run, because breaks (<id>) failed: V… (75) after 0 attempts
    """
)
def a_chord_with_a_member_that_fails():
    watch("what waits", chord([adds.s(0, 0), breaks.s(1)], app=current_app())(totals.s()).id)


@scenario(
    """
    adds_late(0, 0)
        1: retry in 0.1 s after ConnectionError: late
        2: succeeded 0
        result SUCCESS 0 after 2 attempts
    breaks(1)
        1: failed ValueError: no 1
        result FAILURE ValueError: no 1
        dead retries-spent: the task has no retries
    breaks(2)
        1: failed ValueError: no 2
        result FAILURE ValueError: no 2
        dead retries-spent: the task has no retries
    adds(9, 9)
        1: succeeded 18
        result SUCCESS 18
    """
)
def a_chord_with_members_that_fail_runs_the_others():
    members = [adds_late.s(0, 0), breaks.s(1), chain(breaks.s(2), adds.s(1)), adds.s(9, 9)]
    chord(members, app=current_app())(totals.s())


@scenario(
    """
    sometimes(2)
        1: failed ValueError: not yet
        1: succeeded 2
        result SUCCESS 2
        dead (replayed) retries-spent: the task has no retries
    adds(1, 1)
        1: succeeded 2
        result SUCCESS 2
    totals([2, 2]) after its join
        1: succeeded 4
        result SUCCESS 4
    """
)
def a_chord_goes_on_when_its_dead_member_is_sent_again():
    member = sometimes.s(2).set(task_id="scenario-dead-member")
    chord([member, adds.s(1, 1)], app=current_app())(totals.s())
    yield is_dead("scenario-dead-member")
    replay(current_app(), Choice(ids=("scenario-dead-member",)))


@scenario(
    """
    adds(0, 0)
        1: succeeded 0
        result SUCCESS 0
    adds(1, 1)
        1: succeeded 2
        result SUCCESS 2
    totals([0, 2]) after its join
        1: succeeded 2
        result SUCCESS 2
    adds(2, 10) after totals([0, 2])
        1: succeeded 12
        result SUCCESS 12
    """
)
def a_chain_after_a_chord():
    chord([adds.s(0, 0), adds.s(1, 1)], app=current_app())(chain(totals.s(), adds.s(10)))


@scenario(
    """
    adds(1, 1)
        1: succeeded 2
        result SUCCESS 2
    adds(2, 1) after adds(1, 1)
        1: succeeded 3
        result SUCCESS 3
    adds(9, 9)
        1: succeeded 18
        result SUCCESS 18
    totals([3, 18]) after its join
        1: succeeded 21
        result SUCCESS 21
    """
)
def a_chord_with_a_chain_in_it():
    members = [chain(adds.s(1, 1), adds.s(1), app=current_app()), adds.s(9, 9)]
    chord(members, app=current_app())(totals.s())


@scenario(
    """
    adds(1, 1)
        1: succeeded 2
        result SUCCESS 2
    adds(2, 2)
        1: succeeded 4
        result SUCCESS 4
    totals([2, 4]) after its join
        1: succeeded 6
        result SUCCESS 6
    adds(6, 6)
        1: succeeded 12
        result SUCCESS 12
    totals([6, 12]) after its join
        1: succeeded 18
        result SUCCESS 18
    """
)
def a_chord_in_a_chord():
    inner = chord([adds.s(1, 1), adds.s(2, 2)], body=totals.s(), app=current_app())
    chord([inner, adds.s(6, 6)], app=current_app())(totals.s())


@task_framework(retries=1, backoff=[0.1], jitter=0)
def totals_late(numbers: list[int]) -> int:
    if current_attempt().number == 1:
        raise ConnectionError("late")
    return sum(numbers)


@scenario(
    """
    adds(0, 0)
        1: succeeded 0
        result SUCCESS 0
    adds(1, 1)
        1: succeeded 2
        result SUCCESS 2
    totals_late([0, 2]) after its join
        1: retry in 0.1 s after ConnectionError: late
        2: succeeded 2
        result SUCCESS 2 after 2 attempts
    """
)
def a_chord_whose_body_is_tried_again():
    chord([adds.s(0, 0), adds.s(1, 1)], app=current_app())(totals_late.s())


@task_framework(retries=0)
def refuses_totals(numbers: list[int]) -> int:
    raise ValueError(f"no {numbers}")


@scenario(
    """
    adds(0, 0)
        1: succeeded 0
        result SUCCESS 0
    adds(1, 1)
        1: succeeded 2
        result SUCCESS 2
    refuses_totals([0, 2]) after its join
        1: failed ValueError: no [0, 2]
        result FAILURE ValueError: no [0, 2]
        dead retries-spent: the task has no retries
    the last step
        result FAILURE ValueError: no [0, 2] after 0 attempts
    """
)
def a_chord_whose_body_fails():
    steps = chain(refuses_totals.s(), adds.s(1))
    sent = chord([adds.s(0, 0), adds.s(1, 1)], app=current_app())(steps)
    watch("the last step", sent.id)


@scenario(
    """
    adds(1, 1)
        1: succeeded 2
        result SUCCESS 2
    adds(2, 10) after adds(1, 1)
        1: succeeded 12
        result SUCCESS 12
    adds(2, 20) after adds(1, 1)
        1: succeeded 22
        result SUCCESS 22
    totals([12, 22]) after its join
        1: succeeded 34
        result SUCCESS 34
    adds(34, 1) after totals([12, 22])
        1: succeeded 35
        result SUCCESS 35
    """
)
def a_chain_through_a_group():
    """Celery makes a chord of a group that something follows."""
    members = group([adds.s(10), adds.s(20)], app=current_app())
    chain(adds.s(1, 1), members, totals.s(), adds.s(1), app=current_app()).apply_async()


@task_framework(ignore_result=True)
def counts_none(number: int) -> int:
    return number


@scenario(
    """
    counts_none(1)
        1: succeeded 1
    counts_none(2)
        1: succeeded 2
    totals([1, 2]) after its join
        1: succeeded 3
        result SUCCESS 3
    """
)
def a_chord_of_members_that_keep_no_result():
    chord([counts_none.s(1), counts_none.s(2)], app=current_app())(totals.s())
