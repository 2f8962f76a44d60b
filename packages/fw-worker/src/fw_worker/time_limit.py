"""Stops a body at its task's timeout, in the way that the place it runs in allows.

In a main thread (a prefork child, or a solo worker) an alarm signal interrupts Python code and
most blocking calls. In another thread (a threads worker) an exception is set from outside, which
Python raises when the thread next runs bytecode: a blocking call is only stopped when it returns.
Either way the body sees a BaseException first and can clean up in ``finally``.
"""

from __future__ import annotations

import ctypes
import heapq
import itertools
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fw_core.attempt.pipeline import Body, Run
from fw_core.errors import TimedOut
from fw_worker.told import handler_of, is_own_process


class _Stop(BaseException):
    """Raised in a body that ran too long; ``except Exception`` in it does not swallow it."""


class Killed(BaseException):
    """This process was killed at its hard limit: what a test has in place of a killed process."""


_LOOP_FIRST = 1.0
"""Seconds by which an event loop's own timeout, which a body can clean up after, goes first."""


def limit_time(body: Body) -> Body:
    """Stop ``body`` when its task's timeout is over: it then ends with TimedOut."""

    def wrapped(run: Run) -> Any:
        seconds = run.spec.timeout.total_seconds()
        if is_own_process():
            limited = _by_own_alarm
        elif threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
            limited = _by_alarm
        else:
            limited = _by_exception
        try:
            return limited(lambda: body(run), seconds + _LOOP_FIRST * run.spec.is_async)
        except _Stop as stop:
            raise TimedOut(task=run.spec.name, seconds=seconds).with_traceback(
                stop.__traceback__
            ) from None

    return wrapped


def _by_alarm(function: Callable[[], Any], seconds: float) -> Any:
    over = False

    def stop(signum: int, frame: Any) -> None:
        if not over:
            raise _Stop

    started = time.monotonic()
    others, interval = signal.getitimer(signal.ITIMER_REAL)  # a test's own limit, for one
    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            return function()
        finally:
            over = True  # an alarm just here ends what follows half way, so that is outside
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if others:
            left = others - (time.monotonic() - started)
            signal.setitimer(signal.ITIMER_REAL, max(left, 1e-6), interval)


_is_armed = False


def _by_own_alarm(function: Callable[[], Any], seconds: float) -> Any:
    """The same where nobody else sets alarms: a handler that stays saves most of the time."""
    global _is_armed
    if handler_of(signal.SIGALRM) is not _on_alarm:
        signal.signal(signal.SIGALRM, _on_alarm)
    _is_armed = True
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            return function()
        finally:
            _is_armed = False  # as above
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _on_alarm(signum: int, frame: Any) -> None:
    if _is_armed:
        raise _Stop


def _by_exception(function: Callable[[], Any], seconds: float) -> Any:
    watch = _watcher.watch(seconds)
    try:
        return function()
    finally:
        watch.end()


@dataclass(slots=True)
class _Watch:
    """One body in one thread; ``fired`` and ``ended`` only change under the lock."""

    thread: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    fired: bool = False
    ended: bool = False

    def fire(self) -> None:
        with self.lock:
            if not self.ended:
                self.fired = True
                _raise_in(self.thread, ctypes.py_object(_Stop))

    def end(self) -> None:
        with self.lock:
            self.ended = True
        if self.fired:
            for _ in range(100):  # one that has not been raised yet is raised here, not later
                pass


def _raise_in(thread: int, exception: Any) -> None:
    # Never taken back with NULL: CPython 3.11 then spins under a tracer (coverage, a debugger).
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), exception)


_FEW = 64


class _Watcher:
    """One thread that fires the watches when they are due."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, _Watch]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._sweep_at = _FEW

    def watch(self, seconds: float) -> _Watch:
        watch = _Watch(threading.get_ident())
        with self._changed:
            if len(self._due) >= self._sweep_at:  # most ended long before their time was over
                self._due = [due for due in self._due if not due[2].ended]
                heapq.heapify(self._due)
                self._sweep_at = max(2 * len(self._due), _FEW)
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), watch))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="fw-timeouts", daemon=True)
                self._thread.start()
            if self._due[0][2] is watch:
                self._changed.notify()
        return watch

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._due and self._due[0][2].ended:
                    heapq.heappop(self._due)
                if not self._due:
                    self._changed.wait()
                    continue
                left = self._due[0][0] - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                    continue
                _, _, watch = heapq.heappop(self._due)
            watch.fire()


_watcher = _Watcher()
