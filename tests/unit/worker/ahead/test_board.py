"""What is written on the board in one process is read in another."""

import os
import pickle
import select
import time

import pytest

from fw_worker.ahead.board import MOST_BYTES, MOST_MEMBERS, PLACES, Board, Place


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


def test_what_joins_a_group_here_is_read_there_in_its_order():
    place = Board().take(1)
    assert place.join(2, pickle.dumps(["b", "c"]))
    assert place.join(1, pickle.dumps(["d"]))
    assert place.limit == 4

    def run():
        there = Place(place.number)
        assert there.joined() == ["b", "c"]
        assert there.joined() == ["d"]

    in_process(run)


def test_a_group_takes_in_no_more_than_there_is_room_for():
    place = Board().take(MOST_MEMBERS - 2)
    assert not place.join(3, b"")
    assert place.join(2, b"")
    assert not place.join(1, b"")
    place = Board().take(1)
    assert not place.join(1, bytes(MOST_BYTES))
    assert place.join(1, bytes(MOST_BYTES - 100))
    assert not place.join(1, bytes(100))
    assert place.limit == 2


def test_a_place_that_is_given_out_again_has_all_its_room():
    board = Board()
    place = board.take(1)
    assert place.join(1, bytes(MOST_BYTES - 100))
    board.give_back(place)
    again = board.take(1)
    assert again.number == place.number
    assert again.join(1, bytes(MOST_BYTES - 100))


def test_how_long_each_attempt_took_is_said_there_and_heard_here():
    place = Board().take(3)

    def run():
        there = Place(place.number)
        for number, seconds in enumerate((0.25, 0.0)):
            there.finish(number, seconds)

    in_process(run)
    assert (place.done, place.seconds(0), place.seconds(1)) == (2, pytest.approx(0.25), 0.0)


def test_who_asks_is_heard_however_many_ask():
    board = Board()
    board.hear()

    def run():
        for _ in range(100_000):
            Place(0).ask()

    in_process(run)
    assert select.select([board.asked], [], [], 0)[0]
    board.hear()
    assert not select.select([board.asked], [], [], 0)[0]
