"""What the processes of a pool have begun and ended, in memory that they share with the first one.

A place on it belongs to one group. The process that runs the group writes how many attempts it has
begun and ended; the first process reads that when the other is gone or stuck, and writes how many
may be begun at all. Each is one aligned word, so none is ever seen half written.
"""

from __future__ import annotations

import mmap
import time
from collections import deque

PLACES = 1024
_WORDS = 8
_LIMIT, _BEGUN, _ENDED, _SETTLED, _SINCE = range(5)

# Made when the module is imported, before the pool forks.
_words = memoryview(mmap.mmap(-1, PLACES * _WORDS * 8)).cast("Q")


class Place:
    """One group's part of the board; the number alone travels to the process that runs it."""

    __slots__ = ("_at", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self._at = number * _WORDS

    def clear(self, count: int) -> None:
        """A group of so many attempts, none begun."""
        for word in (_BEGUN, _ENDED, _SETTLED):
            _words[self._at + word] = 0
        _words[self._at + _LIMIT] = count

    # In the process that runs the group.

    def begin(self, number: int) -> bool:
        """Begin with the attempt of this number, from 0; False: it was taken back."""
        at = self._at
        _words[at + _SINCE] = time.monotonic_ns()
        _words[at + _BEGUN] = number + 1
        if _words[at + _LIMIT] > number:
            return True
        _words[at + _BEGUN] = number
        return False

    def end(self, number: int) -> None:
        """The attempt of this number has ended."""
        _words[self._at + _ENDED] = number + 1

    def settle(self, count: int) -> None:
        """The first so many are settled: their messages are not needed any more."""
        _words[self._at + _SETTLED] = count

    # In the first process.

    @property
    def begun(self) -> int:
        """How many attempts have been begun."""
        return _words[self._at + _BEGUN]

    @property
    def ended(self) -> int:
        """How many of them have ended."""
        return _words[self._at + _ENDED]

    @property
    def settled(self) -> int:
        """How many of those are settled."""
        return _words[self._at + _SETTLED]

    @property
    def limit(self) -> int:
        """How many may be begun."""
        return _words[self._at + _LIMIT]

    @limit.setter
    def limit(self, count: int) -> None:
        _words[self._at + _LIMIT] = count

    @property
    def since(self) -> float:
        """When the latest was begun, by ``time.monotonic``."""
        return _words[self._at + _SINCE] / 1e9


class Board:
    """Gives out the places; in the first process only."""

    def __init__(self) -> None:
        self._free = deque(range(PLACES))

    def take(self, count: int) -> Place | None:
        """A place for a group of so many attempts; None: there is none left."""
        if not self._free:
            return None
        place = Place(self._free.popleft())
        place.clear(count)
        return place

    def give_back(self, place: Place) -> None:
        """Nobody writes to this place any more."""
        self._free.append(place.number)
