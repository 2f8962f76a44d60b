from hypothesis import given
from hypothesis import strategies as st

from fw_worker.ahead.fetching import AHEAD_SECONDS, STUCK_SECONDS, Fetching

LEAST, MOST = 8, 128


def fetching() -> Fetching:
    made = Fetching()
    made.began(0.0)
    return made


def decide(made: Fetching, current: int, *, now: float, is_busy: bool = True) -> int:
    return made.decide(current, least=LEAST, most=MOST, is_busy=is_busy, now=now)


def after(made: Fetching, ended: int, seconds: float) -> Fetching:
    for _ in range(ended):
        made.ended(seconds)
    return made


@given(st.integers(0, 10_000), st.floats(0.01, 10), st.integers(1, 500), st.booleans())
def test_it_never_asks_for_less_than_it_began_with_or_more_than_the_most(
    ended, seconds, current, is_busy
):
    current = max(LEAST, min(current, MOST))
    wanted = decide(after(fetching(), ended, seconds), current, is_busy=is_busy, now=seconds)
    assert LEAST <= wanted <= MOST


def test_a_busy_worker_asks_for_what_it_ends_in_a_tenth_of_a_second():
    assert AHEAD_SECONDS == 0.1
    assert decide(after(fetching(), 500, 1.0), LEAST, is_busy=True, now=1.0) == 50


def test_a_worker_with_a_free_process_has_enough():
    """That nothing ends there says nothing of its tasks."""
    assert decide(after(fetching(), 500, 0.1), LEAST, is_busy=False, now=0.1) == LEAST
    assert decide(fetching(), 100, is_busy=False, now=5.0) == 100


def test_when_nothing_ends_any_more_it_holds_no_more_than_it_began_with():
    made = after(fetching(), 500, 1.0)
    decide(made, LEAST, is_busy=True, now=1.0)
    assert decide(made, 50, is_busy=True, now=1.0 + STUCK_SECONDS * 1.01) == LEAST


def test_long_tasks_bring_it_back():
    """Ten attempts a second: one waits for each that runs, at most."""
    made = after(fetching(), 10, 1.0)
    assert decide(made, 128, is_busy=True, now=1.0) == LEAST


def test_a_rate_that_wavers_changes_nothing():
    made = fetching()
    for number, ended in enumerate([60, 40, 90, 30, 50], start=1):
        after(made, ended, number * 0.1)
        assert decide(made, 50, is_busy=True, now=number * 0.1) == 50
