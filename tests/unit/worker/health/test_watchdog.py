"""The watchdog, with the loop's signs and the passing of time in the test's hand."""

from __future__ import annotations

from fw_worker.health.watchdog import PATIENCE, Watchdog


def lived(signs, *, ticks=100):
    """How many looks it took to end the process; None: it was not ended in ``ticks`` looks."""
    looks = 0
    bites = []

    def sleep(seconds):
        nonlocal looks
        looks += 1
        signs(looks, watchdog)

    watchdog = Watchdog(
        is_off=lambda: looks >= ticks, bite=lambda: bites.append(looks), sleep=sleep
    )
    watchdog.run()
    return bites[0] if bites else None


def test_a_loop_that_never_turns_is_ended():
    assert lived(lambda looks, watchdog: None) == PATIENCE + 1


def test_a_loop_that_turns_now_and_then_lives():
    def signs(looks, watchdog):
        if looks % PATIENCE == 0:
            watchdog.feed()

    assert lived(signs) is None


def test_a_loop_that_stops_turning_is_ended():
    def signs(looks, watchdog):
        if looks <= 10:
            watchdog.feed()

    assert lived(signs) == 10 + PATIENCE


def test_one_that_says_it_stands_still_may():
    """A body in the pool solo, until it is done."""

    def signs(looks, watchdog):
        if looks == 1:
            watchdog.feed(None)
        if looks == 50:
            watchdog.feed()

    assert lived(signs) == 50 + PATIENCE


def test_whoever_was_told_to_stop_is_left_to_it():
    assert lived(lambda looks, watchdog: None, ticks=PATIENCE) is None
