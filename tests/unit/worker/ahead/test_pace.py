from hypothesis import given
from hypothesis import strategies as st

from fw_worker.ahead.pace import MOST, SHORT, TOGETHER, Pace, fits

SECONDS = st.floats(0, 100)


def test_a_task_that_was_never_seen_has_no_pace():
    assert Pace().of("orders.pay") is None


@given(st.lists(SECONDS, min_size=1))
def test_the_pace_lies_between_the_shortest_and_the_longest(took):
    pace = Pace()
    for seconds in took:
        pace.note("orders.pay", seconds)
    assert min(took) <= pace.of("orders.pay") <= max(took)


def test_one_long_attempt_is_enough_to_be_long_and_several_short_ones_to_be_short_again():
    pace = Pace()
    for _ in range(1_000):
        pace.note("orders.pay", 0.001)
    pace.note("orders.pay", 2.0)
    assert pace.of("orders.pay") == 2.0
    pace.note("orders.pay", 0.001)
    assert pace.of("orders.pay") > SHORT
    for _ in range(100):
        pace.note("orders.pay", 0.001)
    assert pace.of("orders.pay") < SHORT


@given(st.lists(st.none() | SECONDS))
def test_a_group_is_short_whatever_comes(paces):
    expected, count = 0.0, 0
    for pace in paces:
        if fits(pace, expected, count):
            expected, count = expected + pace, count + 1
    assert expected <= TOGETHER
    assert count <= MOST
