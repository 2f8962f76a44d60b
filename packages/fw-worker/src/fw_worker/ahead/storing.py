"""Results on their way into the database while the next attempts run.

A commit takes as long as ten short tasks, most of it waiting for a disk. A thread waits there, so
that the process has something else to do.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from queue import SimpleQueue
from threading import Event, Thread

from fw_worker.ahead.tracer import Kept, Traced, try_to_store

_logger = logging.getLogger("fw.worker")


class Storing:
    """Some results that are being stored.

    Args:
        kept: The attempts, in their order.
        is_reported: Whether somebody follows task events.

    Attributes:
        kept: The attempts.
    """

    def __init__(self, kept: Sequence[Kept], *, is_reported: bool) -> None:
        self.kept = kept
        self._is_reported = is_reported
        self._traced: list[Traced] | None = None
        self._has_ended = Event()
        _storer.add(self)

    def wait(self) -> list[Traced] | None:
        """What became of them; None: the database did not take them together."""
        self._has_ended.wait()
        return self._traced

    def store(self) -> None:
        """Store them; in the thread."""
        try:
            self._traced = try_to_store(self.kept, is_reported=self._is_reported)
        except Exception as error:  # noqa: BLE001 - whoever waits tries it again, one by one
            _logger.debug("%d results could not be stored: %r", len(self.kept), error)
        finally:
            self._has_ended.set()


class _Storer:
    """The thread; a process of the pool has one once it stores results."""

    def __init__(self) -> None:
        self._given: SimpleQueue[Storing] = SimpleQueue()
        self._thread: Thread | None = None

    def add(self, storing: Storing) -> None:
        if self._thread is None or not self._thread.is_alive():  # or it stayed in the parent
            self._thread = Thread(target=self._run, name="fw-storing", daemon=True)
            self._thread.start()
        self._given.put(storing)

    def _run(self) -> None:
        while True:
            self._given.get().store()


_storer = _Storer()
