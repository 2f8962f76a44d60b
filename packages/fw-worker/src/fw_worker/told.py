"""Whether a worker was told to stop, in a byte that the processes of its pool see as well.

systemd, a terminal and ``kill -- -GROUP`` send their signal to every process of a worker. It is
meant for the first one, which lets the attempts in the others come to their end. So a process that
runs one asks here whether the signal that it got is the worker's own; only that one ends it.
"""

from __future__ import annotations

import mmap
import os
import signal
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from types import FrameType
from typing import Any

from billiard.common import _shutdown_cleanup

handler_of: Callable[[int], Any] = vars(signal)["_signal"].getsignal
"""``signal.getsignal`` without the enum that it makes of each answer, which takes longer."""

DOUBT_SECONDS = 1.0
"""How long the first process may take to hear a signal that another one has heard already."""


class Told(IntEnum):
    """What a worker was told."""

    NOTHING = 0
    TO_STOP = 1
    TO_END_ITS_PROCESSES = 2


_page = mmap.mmap(-1, 1)  # shared with whatever is forked
_is_worker = _is_of_pool = False


def begin() -> None:
    """This process is a worker, and was told nothing yet."""
    global _is_worker, _is_of_pool
    _is_worker, _is_of_pool = True, False
    tell(Told.NOTHING)


def tell(what: Told) -> None:
    """Say so here and in the processes of the pool."""
    _page[0] = what


def was_told() -> Told:
    """What the worker of this process was told."""
    return Told(_page[0])


def is_own_process() -> bool:
    """Whether this is a process of a worker's pool, in the thread that takes its signals."""
    return _is_of_pool and threading.current_thread() is threading.main_thread()


def _forked() -> None:
    global _is_of_pool
    _is_of_pool = _is_worker


os.register_at_fork(after_in_child=_forked)


def let_attempts_end() -> None:
    """In a process of a pool: take SIGTERM and SIGHUP for the worker's, unless it says otherwise.

    Done when an attempt begins, since the pool sets its own handlers last.
    """
    if not is_own_process():
        return
    if handler_of(signal.SIGTERM) is _on_sigterm:
        return
    signal.signal(signal.SIGTERM, _on_sigterm)
    signal.signal(signal.SIGHUP, _on_sighup)


def _on_sigterm(signum: int, frame: FrameType | None) -> None:
    end = time.monotonic() + DOUBT_SECONDS
    while was_told() == Told.NOTHING and time.monotonic() < end:
        time.sleep(0.01)
    if was_told() != Told.TO_STOP:
        _shutdown_cleanup(signum, frame)


def _on_sighup(signum: int, frame: FrameType | None) -> None:
    """The worker's first process takes it for SIGTERM, or ignores it."""
