"""The steps of the wait queues: never short, at most 0.1 s or 5 % long."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fw_core.broker.delays import LONGEST, SHARE, STEP, STEPS_MS, step_above, way

STEP_MS = STEP * 1000
up_to_a_day = st.floats(min_value=1e-3, max_value=LONGEST)
up_to_a_year = st.floats(min_value=1e-3, max_value=365 * 24 * 3600)
DUST = 1e-6
MS = 0.001 + DUST  # queues wait whole milliseconds


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
    assert step_above(ms / 1000) == ms
    assert way(ms / 1000, exact=True) == way(ms / 1000, exact=False) == (None, ms)


@given(up_to_a_day)
def test_a_wait_is_never_shorter_than_asked(seconds):
    assert step_above(seconds) / 1000 >= seconds - DUST


@given(up_to_a_day)
def test_a_wait_is_at_most_a_tenth_of_a_second_or_5_percent_longer(seconds):
    assert step_above(seconds) / 1000 - seconds <= max(STEP, seconds * SHARE) + DUST


@given(st.floats(min_value=LONGEST, max_value=1e9), st.booleans())
def test_more_than_a_day_takes_the_longest_queue_first(seconds, exact):
    assert step_above(seconds) == STEPS_MS[-1]
    assert way(seconds, exact=exact) == (None, STEPS_MS[-1])


@given(up_to_a_day)
def test_a_retrys_way_is_never_short_and_at_most_a_tenth_of_a_second_or_a_quarter_percent_long(
    seconds,
):
    long, last = way(seconds, exact=False)
    waited = ((long or 0) + last) / 1000

    assert seconds - DUST <= waited <= seconds + max(STEP, seconds * SHARE * SHARE) + MS


@given(up_to_a_day)
def test_an_exact_way_ends_within_a_tenth_of_a_second_or_early_enough_to_be_sent_on(seconds):
    long, last = way(seconds, exact=True)
    waited = ((long or 0) + last) / 1000

    assert seconds - DUST <= waited <= seconds + STEP + MS or waited < seconds - STEP


@pytest.mark.parametrize("wait", [4, 10, 27, 60, 243, 3600, 50_000])
def test_the_jitter_of_equal_waits_is_spread_over_many_steps(wait):
    """A tenth of the wait is at least as many steps as there are tenths of a second, or forty."""
    ways = {way(wait * (1 + 0.1 * part / 2000), exact=False) for part in range(2000)}

    assert len(ways) >= min(wait, 40)


@given(up_to_a_year, st.booleans())
def test_no_message_expires_in_one_queue_twice(seconds, exact):
    """RabbitMQ would take that for a cycle, and drop it."""
    long, last = way(seconds, exact=exact)

    assert long is None or last < long


@given(up_to_a_year, up_to_a_year)
def test_a_longer_wait_never_has_a_shorter_step(one, other):
    shorter, longer = sorted((one, other))

    assert step_above(shorter) <= step_above(longer)


@given(up_to_a_year)
@example(4.899225478991866)  # 4.9 s in whole milliseconds, and a step further
def test_a_delay_is_kept_to_a_tenth_of_a_second_by_sending_it_on(seconds):
    """Sent on as often as needed, it starts neither early nor more than one step late."""
    waited, hops = 0.0, 0
    while seconds - waited > DUST:
        long, last = way(seconds - waited, exact=True)
        waited += ((long or 0) + last) / 1000
        hops += 1

    assert seconds - DUST <= waited <= seconds + STEP + MS
    assert hops <= 370


@given(up_to_a_day)
def test_a_delay_of_a_day_is_sent_on_at_most_twice(seconds):
    left, hops = seconds, 0
    while left > DUST:
        long, last = way(left, exact=True)
        left -= ((long or 0) + last) / 1000
        hops += 1

    assert hops <= 3


@given(up_to_a_year, st.booleans())
def test_every_step_taken_exists(seconds, exact):
    assert {*way(seconds, exact=exact), step_above(seconds)} <= {*STEPS_MS, None}
