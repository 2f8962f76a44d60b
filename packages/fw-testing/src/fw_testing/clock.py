"""Time that moves only when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from fw_core.results.waiting import Clock

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class VirtualClock:
    """The clock of the fake broker and of everything that fw decides by time.

    It starts at noon of the first of January 2026 (UTC). A task's own ``datetime.now()`` and
    ``time.sleep()`` are not touched.
    """

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._watches: list[Callable[[datetime], None]] = []

    def __repr__(self) -> str:
        return f"<clock at {self._now.isoformat()}>"

    def now(self) -> datetime:
        """The time, in UTC."""
        return self._now

    def timestamp(self) -> float:
        """The time in seconds since 1970."""
        return self._now.timestamp()

    def advance(self, seconds: float | timedelta) -> datetime:
        """Move the time forward; nothing runs by that alone.

        A body that moves it beyond its task's timeout is stopped here.

        Raises:
            ValueError: it would move back.
        """
        step = seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
        if step < timedelta(0):
            raise ValueError(f"time only moves forward, got {seconds!r}")
        self._now += step
        if self._watches:
            self._watches[-1](self._now)
        return self._now

    @contextmanager
    def watched_by(self, watch: Callable[[datetime], None]) -> Iterator[None]:
        """Call ``watch`` with the new time whenever it is moved, until the block ends."""
        self._watches.append(watch)
        try:
            yield
        finally:
            self._watches.remove(watch)


class _OneLook:
    """A monotonic time by which every wait is over after one look."""

    def __init__(self) -> None:
        self._time = 0.0

    def monotonic(self) -> float:
        self._time += 1e9
        return self._time

    def sleep(self, seconds: float) -> None:
        """Nothing to wait for: what has not run will not run meanwhile."""


def pauses_of(clock: VirtualClock) -> Clock:
    """Pauses in virtual time: a worker that waits for its broker or database moves it on."""

    def sleep(seconds: float) -> None:
        clock.advance(seconds)

    return Clock(monotonic=clock.timestamp, sleep=sleep)


def one_look() -> Clock:
    """A clock for results: what is not there now will not come while a test waits."""
    look = _OneLook()
    return Clock(
        monotonic=look.monotonic,
        sleep=look.sleep,
        advice="run it first: fw_broker.drain(), after fw_broker.advance(seconds) if it is delayed",
    )
