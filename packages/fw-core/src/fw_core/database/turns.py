"""Threads take turns on the one connection, in the order in which they came."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

from sqlalchemy.exc import TimeoutError as TurnTimeout


class Turns:
    """A lock that is handed on to whoever waits longest.

    SQLAlchemy's pool lets the thread that gives a connection back take it again before a waiting
    thread has woken up: one busy thread could keep all others from storing anything (measured:
    for the full 30 s).
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._is_taken = False
        self._waiting: deque[Lock] = deque()

    @contextmanager
    def turn(self, *, timeout: float) -> Generator[None, None, None]:
        """Wait for the turn and keep it inside the ``with`` block.

        Raises:
            TurnTimeout: it did not come within ``timeout`` seconds.
        """
        self._take(timeout)
        try:
            yield
        finally:
            self._hand_on()

    def _take(self, timeout: float) -> None:
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return
            gate = Lock()
            gate.acquire()
            self._waiting.append(gate)
        if gate.acquire(timeout=timeout):
            return
        with self._lock:
            if gate not in self._waiting:  # it was handed on at the last moment
                return
            self._waiting.remove(gate)
        raise TurnTimeout(f"no turn on the connection within {timeout:g} s")

    def _hand_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False
