"""Dead letters: sent again, in vain and with success; discarded; and what a failure says."""

from __future__ import annotations

from scenario import scenario, times_run

from fw_core import FrameworkError, TaskFailed, task_framework
from fw_core.client import current_app
from fw_worker.dead_letters.choice import Choice, by_ids
from fw_worker.dead_letters.discarding import discard
from fw_worker.dead_letters.sending_again import replay


@task_framework(retries=0)
def recovers(number: int) -> str:
    if times_run() < number:
        raise ConnectionError("away")
    return "recovered"


@task_framework
def follows(text: str) -> str:
    return f"{text} and followed"


def is_dead(id_: str):
    """Whether a dead letter of a call has been collected and waits for a decision."""

    def look() -> bool:
        try:
            return any(letter.state == "dead" for letter in by_ids(current_app(), [id_]))
        except FrameworkError:
            return False  # there is none yet, or no table

    return look


@scenario(
    """
    recovers(2)
        1: failed ConnectionError: away
        1: succeeded 'recovered'
        result SUCCESS 'recovered'
        dead (replayed) retries-spent: the task has no retries
    """
)
def a_dead_letter_that_is_sent_again():
    result = recovers.delay(2)
    yield is_dead(result.id)
    replay(current_app(), Choice(ids=(result.id,)))


@scenario(
    """
    recovers(9)
        1: failed ConnectionError: away
        1: failed ConnectionError: away
        result FAILURE ConnectionError: away
        dead (replayed) retries-spent: the task has no retries
        dead retries-spent: the task has no retries
    """
)
def a_dead_letter_that_is_sent_again_in_vain():
    result = recovers.delay(9)
    yield is_dead(result.id)
    replay(current_app(), Choice(ids=(result.id,)))


@scenario(
    """
    recovers(2) to mail
        1: failed ConnectionError: away
        1: succeeded 'recovered'
        result SUCCESS 'recovered'
        dead (replayed) retries-spent: the task has no retries
    """
)
def a_dead_letter_that_is_sent_to_another_queue():
    result = recovers.options(queue="mail").delay(2)
    yield is_dead(result.id)
    replay(current_app(), Choice(ids=(result.id,)), to="default")


@scenario(
    """
    recovers(2)
        1: failed ConnectionError: away
        1: succeeded 'recovered'
        result SUCCESS 'recovered'
        dead (replayed) retries-spent: the task has no retries
    follows('recovered') after recovers(2)
        1: succeeded 'recovered and followed'
        result SUCCESS 'recovered and followed'
    """
)
def a_workflow_goes_on_when_its_dead_step_is_sent_again():
    from celery import chain

    result = chain(recovers.s(2), follows.s(), app=current_app()).delay()
    yield is_dead(result.parent.id)
    replay(current_app(), Choice(ids=(result.parent.id,)))


@scenario(
    """
    recovers(9)
        1: failed ConnectionError: away
        result FAILURE ConnectionError: away
        dead (discarded) retries-spent: the task has no retries
    """
)
def a_dead_letter_that_is_discarded():
    result = recovers.delay(9)
    yield is_dead(result.id)
    discard(current_app(), Choice(ids=(result.id,)), reason="not needed")
    assert replay(current_app(), Choice(ids=(result.id,))).sent == []


@scenario(
    """
    recovers(9)
        1: failed ConnectionError: away
        result FAILURE ConnectionError: away
        dead retries-spent: the task has no retries
    """
)
def whoever_asks_for_a_failed_call_gets_its_error():
    result = recovers.delay(9)
    yield is_dead(result.id)
    try:
        result.get(timeout=1)
    except TaskFailed as error:
        assert "ConnectionError: away" in str(error)
    else:
        raise AssertionError("no error")


@scenario(
    """
    recovers(3)
        1: failed ConnectionError: away
        1: failed ConnectionError: away
        1: succeeded 'recovered'
        result SUCCESS 'recovered'
        dead (replayed) retries-spent: the task has no retries
        dead (replayed) retries-spent: the task has no retries
    """
)
def a_dead_letter_that_is_sent_again_twice():
    result = recovers.delay(3)
    yield is_dead(result.id)
    replay(current_app(), Choice(ids=(result.id,)))
    yield is_dead(result.id)
    replay(current_app(), Choice(ids=(result.id,)))


@task_framework(retries=1, backoff=[0.1], jitter=0)
def retries_again(number: int) -> str:
    if times_run() < number:
        raise ConnectionError("away")
    return "recovered"


@scenario(
    """
    retries_again(4)
        1: retry in 0.1 s after ConnectionError: away
        2: failed ConnectionError: away
        1: retry in 0.1 s after ConnectionError: away
        2: succeeded 'recovered'
        result SUCCESS 'recovered' after 2 attempts
        dead (replayed) retries-spent: the last of 2 attempts failed
    """
)
def a_dead_letter_that_is_sent_again_has_all_its_retries():
    result = retries_again.delay(4)
    yield is_dead(result.id)
    replay(current_app(), Choice(ids=(result.id,)))


@task_framework(ignore_result=True, retries=0)
def keeps_none() -> str:
    if times_run() < 2:
        raise ConnectionError("away")
    return "recovered"


@scenario(
    """
    keeps_none()
        1: failed ConnectionError: away
        1: succeeded 'recovered'
        result SUCCESS 'recovered'
        dead (replayed) retries-spent: the task has no retries
    """
)
def a_failure_does_not_stay_where_a_replay_succeeds():
    result = keeps_none.delay()
    yield is_dead(result.id)
    replay(current_app(), Choice(ids=(result.id,)))


@scenario(
    """
    recovers(9)
        1: failed ConnectionError: away
        result FAILURE ConnectionError: away
        dead retries-spent: the task has no retries
    """
)
def a_replay_that_is_only_asked_about():
    result = recovers.delay(9)
    yield is_dead(result.id)
    assert len(replay(current_app(), Choice(ids=(result.id,)), is_dry=True).sent) == 1
