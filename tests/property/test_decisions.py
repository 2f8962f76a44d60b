"""Decisions, for every policy, message and header."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from fw_core import RetryLater, RetryPolicy
from fw_core.attempt.decide import Tries, decide
from fw_core.attempt.outcome import GaveUp, RetryIn
from fw_core.attempt.retry_after import parse

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
policies = st.builds(
    RetryPolicy,
    retries=st.integers(0, 20),
    backoff=st.floats(1, 100),
    max_delay=st.floats(0.1, 24 * 3600),
    jitter=st.floats(0, 1),
)
tries = st.builds(Tries, retries=st.integers(0, 30), laters=st.integers(0, 120))
draws = st.floats(0, 1, exclude_max=True)


class Response:
    status_code = 429

    def __init__(self, header: str) -> None:
        self.headers = {"Retry-After": header}


class AskedToWaitError(Exception):
    def __init__(self, header: str) -> None:
        self.response = Response(header)


@given(policies)
def test_a_task_that_always_fails_runs_exactly_retries_plus_1_times(policy):
    runs, used = 1, 0
    while isinstance(decide(OSError(), policy, Tries(retries=used), now=NOON), RetryIn):
        runs, used = runs + 1, used + 1

    assert runs == policy.retries + 1 == policy.max_attempts


@given(policies, tries, st.floats(0.1, 365 * 24 * 3600))
def test_running_later_never_uses_up_a_retry_and_never_outlasts_max_delay(policy, done, seconds):
    outcome = decide(RetryLater(seconds), policy, done, now=NOON)

    if done.laters >= 100:
        assert isinstance(outcome, GaveUp)
    else:
        assert not outcome.counts
        assert outcome.seconds == min(seconds, policy.max_seconds)


@given(policies, st.floats(-1e9, 1e9), st.floats(1, 7200), draws)
def test_a_retry_after_lies_between_the_policys_wait_and_the_limit(policy, asked, limit, draw):
    outcome = decide(
        AskedToWaitError(repr(asked)),
        policy,
        Tries(),
        now=NOON,
        retry_after_limit=limit,
        draw=lambda: draw,
    )

    if policy.retries == 0:
        assert isinstance(outcome, GaveUp)
        return
    own = policy.wait(1, draw=lambda: draw)
    assert own <= outcome.seconds <= max(own, limit)
    assert outcome.seconds >= min(asked, limit)


@given(st.text())
def test_no_header_is_an_error(header):
    seconds = parse(header, now=NOON)

    assert seconds is None or 0 <= seconds < float("inf")


@given(
    st.from_regex(
        r"[A-Z][a-z]{2}, [0-9]{1,9} [A-Z][a-z]{2} [0-9]{1,25} [0-9:]{1,12} [+\-]?[0-9A-Z]{1,9}"
    )
)
def test_nothing_that_looks_like_a_date_is_an_error(header):
    seconds = parse(header, now=NOON)

    assert seconds is None or seconds >= 0


@given(st.integers(0, 10**9))
def test_whole_seconds_are_read_as_they_are(seconds):
    assert parse(str(seconds), now=NOON) == seconds


@given(st.timedeltas(timedelta(0), timedelta(days=365)))
def test_a_date_is_read_as_the_seconds_until_then(ahead):
    date = (NOON + ahead).replace(microsecond=0)

    assert parse(format_datetime(date, usegmt=True), now=NOON) == (date - NOON).total_seconds()
