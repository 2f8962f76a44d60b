"""How a bench that is told to end takes its worker along."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Signals:
    """A closed terminal or a cancelled job ends the bench as Ctrl-C does: its worker with it."""

    def __init__(self) -> None:
        self._is_held = False
        self._came: int | None = None

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear them, in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        both = (signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, self._on_signal) for number in both}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let one wait until the block ends: a worker that has started must be known."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self._came is not None:
            sys.exit(128 + self._came)

    def _on_signal(self, number: int, _: Any) -> None:
        self._came = number
        if not self._is_held:
            sys.exit(128 + number)


signals = Signals()
