"""decide(): what follows from an error. Pure: no clock of its own, no I/O."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fw_core import DeclarationError, GiveUp, OptionError, RetryLater, RetryPolicy
from fw_core.attempt.decide import Tries, decide
from fw_core.attempt.outcome import Cause, GaveUp, RetryIn
from fw_core.errors import Expired, MessageError, ReturnError, TimedOut, WorkerDied

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def after(error: BaseException, *, retries: int = 0, laters: int = 0, **policy):
    """What follows from ``error``, without jitter unless asked for."""
    return decide(
        error,
        RetryPolicy(**{"jitter": 0, **policy}),
        Tries(retries=retries, laters=laters),
        now=NOON,
    )


def test_an_error_is_retried_after_the_stated_wait():
    error = ConnectionError("no route")

    assert after(error, backoff=3) == RetryIn(3.0, 3.0, error)


@pytest.mark.parametrize(("retries", "seconds"), [(0, 3.0), (1, 9.0), (2, 27.0)])
def test_the_wait_grows_with_the_retries_used(retries, seconds):
    assert after(OSError(), retries=retries, backoff=3).seconds == seconds


def test_jitter_lengthens_the_wait_and_not_what_is_stated():
    outcome = decide(
        OSError(), RetryPolicy(backoff=10, jitter=0.5), Tries(), now=NOON, draw=lambda: 0.5
    )

    assert (outcome.seconds, outcome.stated) == (12.5, 10.0)


def test_the_last_retry_is_used():
    assert isinstance(after(OSError(), retries=2, backoff=1), RetryIn)


def test_spent_retries_end_the_task():
    """retries=3 runs at most four times."""
    outcome = after(OSError(), retries=3)

    assert isinstance(outcome, GaveUp)
    assert outcome.reason == "the last of 4 attempts failed"


def test_more_retries_than_the_policy_has_end_the_task():
    """The policy was shortened while the message waited."""
    assert isinstance(after(OSError(), retries=10_000), GaveUp)


def test_a_task_without_retries_ends_with_its_first_error():
    outcome = decide(OSError(), RetryPolicy(retries=0), Tries(), now=NOON)

    assert isinstance(outcome, GaveUp)
    assert outcome.reason == "the task has no retries"


@pytest.mark.parametrize(
    ("error", "policy", "retried"),
    [
        (KeyError("x"), {}, True),
        (KeyError("x"), {"retry_on": LookupError}, True),
        (KeyError("x"), {"retry_on": OSError}, False),
        (KeyError("x"), {"give_up_on": LookupError}, False),
        (KeyError("x"), {"retry_on": KeyError, "give_up_on": LookupError}, False),
        (KeyError("x"), {"retry_on": LookupError, "give_up_on": IndexError}, True),
        (SystemExit(1), {}, False),
        (SystemExit(1), {"retry_on": (Exception, SystemExit)}, True),
        (TimedOut(task="t", seconds=1), {}, True),
        (TimedOut(task="t", seconds=1), {"retry_on": TimeoutError}, True),
        (TimedOut(task="t", seconds=1), {"retry_on": ConnectionError}, False),
        (TimedOut(task="t", seconds=1), {"give_up_on": TimeoutError}, False),
        (ExceptionGroup("both", [KeyError("x")]), {"retry_on": KeyError}, False),
        (OptionError("what", "why", "fix"), {}, True),
    ],
)
def test_the_policy_says_which_errors_are_retried(error, policy, retried):
    assert isinstance(after(error, **policy), RetryIn) is retried


def test_an_error_that_is_not_retried_says_so():
    assert after(KeyError("x"), retry_on=OSError).reason == (
        "KeyError is not retried by the task's policy"
    )


def test_a_dead_worker_is_retried_whatever_retry_on_says():
    """The task raised nothing: its process was killed."""
    died = WorkerDied(task="t", cause="signal 9")

    assert isinstance(after(died, retry_on=ConnectionError), RetryIn)


def test_a_dead_worker_uses_up_a_retry():
    died = WorkerDied(task="t", cause="signal 9")

    assert after(died).counts
    assert isinstance(after(died, retries=3), GaveUp)


@pytest.mark.parametrize(
    "error",
    [
        MessageError("what", "why", "fix"),
        DeclarationError("what", "why", "fix"),
        ReturnError(task="t", shown="object"),
        Expired(task="t", expires="noon"),
    ],
)
def test_what_another_attempt_cannot_change_is_not_retried(error):
    assert isinstance(after(error), GaveUp)


# GiveUp


def test_give_up_ends_the_task_although_retries_are_left():
    signal = GiveUp("the order was cancelled")

    assert after(signal) == GaveUp(signal, "the task gave up", Cause.GAVE_UP)


def test_give_up_wins_over_retry_on():
    assert isinstance(after(GiveUp("no"), retry_on=BaseException), GaveUp)


def test_give_up_keeps_its_reason():
    assert str(GiveUp("the order was cancelled")) == "the order was cancelled"


def test_give_up_may_be_raised_without_a_reason():
    """``raise GiveUp`` must not become a TypeError, which would be retried."""
    assert GiveUp().reason == "no reason was given"


# RetryLater


def test_retry_later_waits_as_long_as_it_says():
    signal = RetryLater(30)

    assert after(signal) == RetryIn(30.0, 30.0, signal, counts=False)


def test_retry_later_takes_a_timedelta():
    assert after(RetryLater(timedelta(minutes=2))).seconds == 120.0


def test_retry_later_does_not_use_up_a_retry():
    outcome = after(RetryLater(30), retries=3)

    assert isinstance(outcome, RetryIn)
    assert not outcome.counts


def test_retry_later_works_where_there_are_no_retries():
    outcome = decide(RetryLater(30), RetryPolicy(retries=0), Tries(), now=NOON)

    assert isinstance(outcome, RetryIn)


def test_retry_later_wins_over_give_up_on():
    assert isinstance(after(RetryLater(30), give_up_on=BaseException), RetryIn)


@pytest.mark.parametrize(("laters", "outcome"), [(0, RetryIn), (99, RetryIn), (100, GaveUp)])
def test_a_task_may_run_later_100_times(laters, outcome):
    assert isinstance(after(RetryLater(1), laters=laters), outcome)


def test_a_task_may_run_later_as_often_as_it_says():
    assert isinstance(after(RetryLater(1, max_times=2), laters=1), RetryIn)
    assert after(RetryLater(1, max_times=2), laters=2).reason == "it asked to run later 2 times"


def test_retry_later_is_capped_at_the_policys_max_delay():
    assert after(RetryLater(7200)).seconds == 3600.0
    assert after(RetryLater(7200), max_delay=60).seconds == 60.0


def test_retry_later_may_have_a_cap_of_its_own():
    assert after(RetryLater(7200, max_delay=timedelta(days=1))).seconds == 7200.0
    assert after(RetryLater(7200, max_delay=10)).seconds == 10.0


def test_retry_later_has_no_jitter():
    """The body named a time; it knows what it waits for."""
    outcome = decide(RetryLater(30), RetryPolicy(jitter=1), Tries(), now=NOON, draw=lambda: 0.9)

    assert outcome.seconds == 30.0


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "30", None, True, 3.2e7])
def test_a_wait_that_cannot_be_kept_is_refused_where_it_is_raised(seconds):
    with pytest.raises(OptionError, match="RetryLater was given a wait of"):
        RetryLater(seconds)


@pytest.mark.parametrize("max_times", [0, -1, "3", 1.5, True, None])
def test_a_max_times_that_cannot_be_kept_is_refused_where_it_is_raised(max_times):
    with pytest.raises(OptionError, match="max_times"):
        RetryLater(1, max_times=max_times)


@pytest.mark.parametrize("signal", [RetryLater(1), GiveUp("x")])
def test_except_exception_in_a_body_does_not_swallow_a_signal(signal):
    """A swallowed signal would count the task as done and run it again as well."""
    assert not isinstance(signal, Exception)


# Signals out of an asyncio.TaskGroup


@pytest.mark.parametrize(
    ("errors", "meant"),
    [
        ([RetryLater(5)], RetryIn),
        ([ValueError(), RetryLater(5)], RetryIn),
        ([RetryLater(5), GiveUp("no")], GaveUp),
    ],
)
def test_a_signal_raised_in_a_task_group_is_obeyed(errors, meant):
    """asyncio.TaskGroup wraps what its tasks raise; GiveUp wins over RetryLater."""
    outcome = after(BaseExceptionGroup("unhandled errors in a TaskGroup", errors))

    assert isinstance(outcome, meant)
    assert isinstance(outcome.error, (RetryLater, GiveUp))


def test_a_signal_deep_in_task_groups_is_obeyed():
    inner = BaseExceptionGroup("inner", [OSError(), RetryLater(5)])

    assert after(BaseExceptionGroup("outer", [inner])).seconds == 5.0


# Tries


def test_attempts_are_counted_from_1():
    assert Tries().attempt == 1
    assert Tries(retries=2, laters=7).attempt == 3
