"""What a group's attempts came to, in their order; results are stored several at a time."""

from __future__ import annotations

import threading
import time
from typing import Any
from weakref import ref

from celery.exceptions import Ignore, Retry

from fw_core.attempt.failure import AttemptFailed
from fw_worker.ahead.board import Place
from fw_worker.ahead.brief import Unreadable
from fw_worker.ahead.storing import Storing
from fw_worker.ahead.tracer import Kept, store, try_to_store

Answer = tuple[bool, Any]
"""Whether Celery's tracer came to its end, and what it returned or raised."""

_SETTLED = (AttemptFailed, Retry, Ignore)
"""With these an attempt ends that has been settled in its process; see request.on_failure."""

TOGETHER_SECONDS = 0.02
"""How long a result may wait, while short attempts go on, for others to be stored with."""

MOST_TOGETHER = 32
"""Results stored with one statement.

While they are, as many attempts are made: of a process that dies, twice so many may be repeated.
"""

ALONE_SECONDS = 0.02
"""How long it may wait for an attempt that takes longer than expected."""


class Answers:
    """The answers of one group, in the process that runs it.

    Args:
        place: The group's place on the board.
        is_reported: Whether somebody follows task events.
    """

    def __init__(self, place: Place, *, is_reported: bool) -> None:
        self._place = place
        self._is_reported = is_reported
        self._answers: list[Answer] = []
        self._storing: Storing | None = None
        self._waiting: list[Kept] = []
        self._done = 0  # those of which the board says all
        self._since = 0.0
        self._is_over = False
        self._turn = threading.Lock()

    def add(self, answer: Answer) -> bool:
        """Take the answer of the next attempt.

        Returns:
            Whether the group goes on: one that the first process has yet to settle is its last, so
            that all before it are settled, and no message of it is forgotten if this process dies.
        """
        with self._turn:
            _, value = answer
            if not isinstance(value, Kept):
                self._settle()
                self._note([answer])
                return not self._is_over
            if not self._waiting:
                self._since = time.monotonic()
                _latecomer.watch(self)
            self._waiting.append(value)
            is_full = len(self._waiting) >= MOST_TOGETHER
            if is_full or time.monotonic() - self._since >= TOGETHER_SECONDS:
                self._end_storing()
                self._storing = Storing(self._waiting, is_reported=self._is_reported)
                self._waiting = []
            return not self._is_over

    def settle(self) -> None:
        """Store the results that wait."""
        with self._turn:
            self._settle()

    def all(self) -> list[Answer]:
        """Those of which the board does not say all that there is to say, settled."""
        self.settle()
        return self._answers

    def store_what_waits(self) -> None:
        """Store the results that wait; the group settles them itself where that fails."""
        with self._turn:
            if self._storing is not None:
                traced = self._storing.wait()
                if traced is None:
                    return
                self._end_storing()
            if not self._waiting:
                return
            traced = try_to_store(self._waiting, is_reported=self._is_reported)
            if traced is not None:
                self._waiting = []
                self._note([(True, each) for each in traced])

    def _settle(self) -> None:
        self._end_storing()
        if self._waiting:
            traced = store(self._waiting, is_reported=self._is_reported)
            self._waiting = []
            self._note([(True, each) for each in traced])

    def _end_storing(self) -> None:
        storing, self._storing = self._storing, None
        if storing is not None:
            traced = storing.wait()
            if traced is None:
                traced = store(storing.kept, is_reported=self._is_reported)
            self._note([(True, each) for each in traced])

    def _note(self, answers: list[Answer]) -> None:
        for answer in answers:
            if not self._answers and not self._is_reported and _is_success(answer):
                self._place.finish(self._done, answer[1][2] or 0.0)
                self._done += 1
            else:
                self._answers.append(answer)
            self._is_over = self._is_over or not _is_settled(answer)
            if not self._is_over:
                self._place.settle(self._done + len(self._answers))


def _is_success(answer: Answer) -> bool:
    """Whether the attempt has succeeded, which is all that the first process has to know of it."""
    is_traced, value = answer
    return is_traced and not isinstance(value, Unreadable) and not value[0]


def _is_settled(answer: Answer) -> bool:
    """Whether nothing is left to be done for a message but to acknowledge it."""
    is_traced, value = answer
    if not is_traced or isinstance(value, Unreadable):
        return False
    is_failed, result, *_ = value
    error = getattr(result, "exception", None)
    return not is_failed or isinstance(getattr(error, "exc", error), _SETTLED)


class _Latecomer:
    """A thread that stores what waits behind an attempt that takes longer than expected."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._watched: ref[Answers] | None = None
        self._thread: threading.Thread | None = None

    def watch(self, answers: Answers) -> None:
        """Look at this group's results in a moment."""
        self._watched = ref(answers)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="fw-results", daemon=True)
            self._thread.start()
        self._asked.set()

    def _run(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            watched = self._watched
            time.sleep(ALONE_SECONDS)
            if watched is not self._watched:  # that group has ended, and this one has just begun
                self._asked.set()
                continue
            answers = None if watched is None else watched()
            if answers is not None:
                answers.store_what_waits()


_latecomer = _Latecomer()
