"""Waits, for every policy and every retry: never short, never long, never nothing."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from fw_core import RetryPolicy

seconds = st.floats(min_value=1e-6, max_value=1e300, allow_nan=False)
backoffs = st.one_of(
    st.floats(min_value=1, allow_nan=False, allow_infinity=False),
    st.integers(min_value=1, max_value=10**400),
    st.lists(seconds, min_size=1, max_size=5),
    seconds.map(lambda wait: lambda n: wait * n),
)
policies = st.builds(
    RetryPolicy,
    retries=st.integers(0, 30),
    backoff=backoffs,
    max_delay=st.floats(min_value=1e-3, max_value=365 * 24 * 3600),
    jitter=st.floats(0, 1),
)
retries = st.one_of(st.integers(1, 100), st.integers(1, 10**6), st.just(10_000))
draws = st.floats(0, 1, exclude_max=True)
DUST = 1 + 1e-12


@given(policies, retries, draws)
def test_no_wait_is_shorter_than_the_stated_one(policy, retry, draw):
    assert policy.wait(retry, draw=lambda: draw) >= policy.stated_wait(retry)


@given(policies, retries, draws)
def test_no_wait_is_longer_than_max_delay_and_its_jitter(policy, retry, draw):
    longest = policy.max_seconds * (1 + policy.jitter)

    assert policy.wait(retry, draw=lambda: draw) <= longest * DUST


@given(policies, retries, draws)
def test_every_wait_is_a_finite_number_above_0(policy, retry, draw):
    wait = policy.wait(retry, draw=lambda: draw)

    assert isinstance(wait, float)
    assert math.isfinite(wait)
    assert wait > 0


@given(policies, retries)
def test_no_stated_wait_is_longer_than_max_delay(policy, retry):
    assert policy.stated_wait(retry) <= policy.max_seconds


@given(st.integers(1, 50), st.integers(1, 20))
def test_a_number_waits_its_power_until_the_cap(base, retry):
    policy = RetryPolicy(backoff=base, max_delay=365 * 24 * 3600)

    assert policy.stated_wait(retry) == min(float(base) ** retry, policy.max_seconds)


@given(st.lists(st.floats(0.1, 3600), min_size=1), st.integers(1, 10_000))
def test_a_list_waits_its_items_and_then_the_last_for_ever(waits, retry):
    policy = RetryPolicy(backoff=waits)

    expected = waits[retry - 1] if retry <= len(waits) else waits[-1]
    assert policy.stated_wait(retry) == expected


@given(st.floats(1, 1000), retries)
def test_a_growing_backoff_never_waits_less_than_before(base, retry):
    policy = RetryPolicy(backoff=base)

    assert policy.stated_wait(retry + 1) >= policy.stated_wait(retry)


@given(policies, retries)
def test_jitter_0_waits_exactly_what_is_stated(policy, retry):
    exact = RetryPolicy(backoff=policy.backoff, max_delay=policy.max_delay, jitter=0)

    assert exact.wait(retry) == exact.stated_wait(retry)
