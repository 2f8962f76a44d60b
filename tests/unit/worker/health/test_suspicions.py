"""What counts as a consumer that is gone, and what does not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fw_worker.health.probe import Suspicions


def judged(*rounds):
    """What is said of a queue in the last round; each is (ready, consumers, came, has_room)."""
    suspicions = Suspicions()
    said = [
        suspicions.hear("mail", ready=ready, consumers=consumers, came=came, has_room=has_room)
        for ready, consumers, came, has_room in rounds
    ]
    return said[-1]


def test_a_queue_without_a_consumer_in_two_rounds_is_lost():
    assert judged((0, 0, 7, True)) == ""
    assert "does not know any more that queue 'mail' is taken" in judged(
        (0, 0, 7, True), (0, 0, 7, True)
    )


def test_messages_that_wait_although_there_is_room_are_stuck():
    assert "5 messages wait in queue 'mail'" in judged((5, 1, 7, True), (5, 1, 7, True))


def test_one_message_that_came_between_the_rounds_is_enough():
    assert judged((5, 1, 7, True), (5, 1, 8, True)) == ""


def test_a_round_without_suspicion_begins_anew():
    assert judged((5, 1, 7, True), (0, 1, 7, True), (5, 1, 7, True)) == ""


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3), st.integers(0, 3)), min_size=1))
def test_a_full_worker_is_never_suspected(rounds):
    """However many wait, and whether or not anything comes."""
    assert judged(*((ready, consumers, came, False) for ready, consumers, came in rounds)) == ""


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), min_size=1))
def test_an_idle_worker_is_never_suspected(rounds):
    """Its queue is empty."""
    assert judged(*((0, consumers, came, True) for consumers, came in rounds)) == ""
