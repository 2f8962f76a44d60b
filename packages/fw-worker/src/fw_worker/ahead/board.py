"""What the processes of a pool have begun and ended, in memory that they share with the first one.

A place on it belongs to one group. The process that runs the group writes how many attempts it has
begun and ended; the first process reads that when the other is gone or stuck, and writes how many
may be begun at all. Each is one aligned word, so none is ever seen half written.

Behind the words of a place is room for messages that join the group while it runs, and for how
long each attempt took. A process that has little left asks for more by a byte in a pipe, which
wakes the first one; whoever hears nothing in time just ends its group.
"""

from __future__ import annotations

import mmap
import os
import pickle
import time
from contextlib import suppress
from typing import Any

PLACES = 256
MOST_MEMBERS = 512
"""Attempts of one group in all; then it ends, and the next one begins."""

MOST_BYTES = 256 * 1024
"""What the messages that join one group may take."""

_WORDS = 8
_LIMIT, _BEGUN, _ENDED, _SETTLED, _SINCE, _DONE = range(6)
_LENGTH = 4

# Made when the module is imported, before the pool forks. Memory that is never touched costs none.
_words = memoryview(mmap.mmap(-1, PLACES * _WORDS * 8)).cast("Q")
_micros = memoryview(mmap.mmap(-1, PLACES * MOST_MEMBERS * 4)).cast("I")
_joining = memoryview(mmap.mmap(-1, PLACES * MOST_BYTES))
_asked, _ask = os.pipe()
os.set_blocking(_asked, False)
os.set_blocking(_ask, False)


class Place:
    """One group's part of the board; the number alone travels to the process that runs it."""

    __slots__ = ("_at", "_next", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self._at = number * _WORDS
        self._next = number * MOST_BYTES  # where the next messages are written, or read

    def clear(self, count: int) -> None:
        """A group of so many attempts, none begun."""
        for word in (_BEGUN, _ENDED, _SETTLED, _DONE):
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

    def finish(self, number: int, seconds: float) -> None:
        """All up to this number have succeeded and are settled: there is no more to say of them."""
        _micros[self.number * MOST_MEMBERS + number] = min(int(seconds * 1e6), 0xFFFF_FFFF)
        _words[self._at + _DONE] = number + 1

    def joined(self) -> list[Any]:
        """The messages that joined next; to be called once for each time that the limit rose."""
        size = int.from_bytes(_joining[self._next : self._next + _LENGTH], "big")
        start = self._next + _LENGTH
        self._next = start + size
        messages: list[Any] = pickle.loads(_joining[start : self._next])  # noqa: S301 - our own
        return messages

    def ask(self) -> None:
        """Have the first process look whether more could join."""
        with suppress(BlockingIOError):  # it has not looked since others asked
            os.write(_ask, b"?")

    # In the first process.

    def join(self, count: int, messages: bytes) -> bool:
        """Let so many more join, or say that there is no room for them.

        Args:
            count: How many.
            messages: A pickled list of what travels of each.
        """
        start = self._next + _LENGTH
        end = start + len(messages)
        if end > (self.number + 1) * MOST_BYTES or self.limit + count > MOST_MEMBERS:
            return False
        _joining[self._next : start] = len(messages).to_bytes(_LENGTH, "big")
        _joining[start:end] = messages
        self._next = end
        _words[self._at + _LIMIT] += count  # last: from now on they may be read
        return True

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
    def done(self) -> int:
        """How many of those have succeeded, before any that has not."""
        return _words[self._at + _DONE]

    def seconds(self, number: int) -> float:
        """How long the attempt of this number took, if it is among those that are done."""
        return _micros[self.number * MOST_MEMBERS + number] / 1e6

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
    """Gives out the places; in the first process only.

    Attributes:
        asked: Readable when a process has asked for more.
    """

    asked = _asked

    def __init__(self) -> None:
        self._free = list(range(PLACES))

    def take(self, count: int) -> Place | None:
        """A place for a group of so many attempts; None: there is none left."""
        if not self._free:
            return None
        place = Place(self._free.pop())  # the latest given back: its memory is in use already
        place.clear(count)
        return place

    def give_back(self, place: Place) -> None:
        """Nobody writes to this place any more."""
        self._free.append(place.number)

    def hear(self) -> None:
        """Take note of all that was asked."""
        with suppress(BlockingIOError):
            while len(os.read(_asked, 4096)) == 4096:
                pass
