"""The steps of the wait queues: never short, at most 0.1 s or 5 % long."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_core.broker.delays import LONGEST, SHARE, STEP, STEPS_MS, step_above, step_towards

STEP_MS = STEP * 1000
up_to_a_day = st.floats(min_value=1e-3, max_value=LONGEST)
up_to_a_year = st.floats(min_value=1e-3, max_value=365 * 24 * 3600)
DUST = 1e-6


def test_the_steps_rise():
    assert list(STEPS_MS) == sorted(set(STEPS_MS))


def test_the_first_step_is_a_tenth_of_a_second():
    assert STEPS_MS[0] == 100


def test_the_last_step_is_a_day():
    assert STEPS_MS[-1] == 24 * 3600 * 1000


def test_no_step_is_further_than_a_tenth_of_a_second_or_5_percent():
    for before, after in pairwise(STEPS_MS):
        assert after - before <= max(STEP_MS, before * SHARE)


def test_there_are_few_enough_queues():
    """Each is a quorum queue; most exist only while something waits in them."""
    assert len(STEPS_MS) < 400


def test_the_waits_of_the_users_example_have_queues_of_their_own():
    """backoff=3 without jitter waits 3, 9, 27 seconds exactly."""
    assert [step_above(s) for s in (3, 9, 27)] == [3000, 9000, 27000]


@pytest.mark.parametrize("ms", STEPS_MS)
def test_a_step_is_its_own_step(ms):
    assert step_above(ms / 1000) == step_towards(ms / 1000) == ms


@given(up_to_a_day)
def test_a_wait_is_never_shorter_than_asked(seconds):
    assert step_above(seconds) / 1000 >= seconds - DUST


@given(up_to_a_day)
def test_a_wait_is_at_most_a_tenth_of_a_second_or_5_percent_longer(seconds):
    assert step_above(seconds) / 1000 - seconds <= max(STEP, seconds * SHARE) + DUST


@given(st.floats(min_value=LONGEST, max_value=1e9))
def test_more_than_a_day_takes_the_longest_queue_first(seconds):
    assert step_above(seconds) == step_towards(seconds) == STEPS_MS[-1]


@given(up_to_a_year, up_to_a_year)
def test_a_longer_wait_never_has_a_shorter_step(one, other):
    shorter, longer = sorted((one, other))

    assert step_above(shorter) <= step_above(longer)


@given(up_to_a_year)
def test_a_delay_is_kept_to_a_tenth_of_a_second_by_going_from_queue_to_queue(seconds):
    """Sent on as often as needed, it starts neither early nor more than one step late."""
    waited, hops = 0.0, 0
    while seconds - waited > DUST:
        waited += step_towards(seconds - waited) / 1000
        hops += 1

    assert seconds - DUST <= waited <= seconds + STEP + DUST
    assert hops <= 370 + 10


@given(up_to_a_day)
def test_a_delay_of_a_day_passes_few_queues(seconds):
    left, hops = seconds, 0
    while left > DUST:
        left -= step_towards(left) / 1000
        hops += 1

    assert hops <= 5


@given(up_to_a_year)
def test_every_step_taken_exists(seconds):
    assert {step_above(seconds), step_towards(seconds)} <= set(STEPS_MS)
