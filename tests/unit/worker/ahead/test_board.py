import os
import time

from fw_worker.ahead.board import PLACES, Board, Place


def in_process(function) -> None:
    """Run it in a forked process, as a pool's."""
    pid = os.fork()
    if not pid:
        function()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert status == 0


def test_what_another_process_begins_and_ends_is_seen_here():
    place = Board().take(3)
    before = time.monotonic()

    def run():
        there = Place(place.number)
        assert there.begin(0)
        there.end(0)
        assert there.begin(1)

    in_process(run)
    assert (place.begun, place.ended) == (2, 1)
    assert before <= place.since <= time.monotonic()


def test_what_is_taken_back_here_is_not_begun_there():
    place = Board().take(3)
    place.limit = 1

    def run():
        there = Place(place.number)
        assert there.begin(0)
        there.end(0)
        assert not there.begin(1)

    in_process(run)
    assert (place.begun, place.ended) == (1, 1)


def test_a_place_belongs_to_one_group_at_a_time():
    board = Board()
    places = [board.take(2) for _ in range(PLACES)]
    assert len({place.number for place in places}) == PLACES
    assert board.take(2) is None
    places[7].begin(0)
    board.give_back(places[7])
    again = board.take(5)
    assert (again.number, again.begun, again.limit) == (places[7].number, 0, 5)
