"""Time that moves only when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from fw_core.results.waiting import Clock
from fw_testing.errors import ClockMark

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class VirtualClock:
    """The clock of the fake broker and of everything that fw decides by time.

    It starts at noon of the first of January 2026 (UTC), or where
    ``@pytest.mark.fw_clock(start=...)`` says. A task's own ``datetime.now()`` follows it with
    ``move_datetime=True`` and inside of :meth:`freeze`, its ``time.sleep()`` moves it with
    ``move_sleep=True``.
    """

    def __init__(self, start: datetime | str | None = None) -> None:
        self._now = START if start is None else _moment(start)
        self._followers: list[Callable[[datetime], None]] = []

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
        return self._go(self._now + step)

    def move_to(self, when: datetime | str) -> datetime:
        """Move the time forward to a moment; nothing runs by that alone.

        Args:
            when: With its time zone; as text like ``"2026-03-29 01:30Z"``.

        Raises:
            ValueError: it would move back, or the moment has no time zone.
        """
        moment = _moment(when)
        if moment < self._now:
            raise ValueError(f"time only moves forward, from {self._now} to {moment} is back")
        return self._go(moment)

    @contextmanager
    def freeze(self, when: datetime | str | None = None) -> Iterator[VirtualClock]:
        """Let ``datetime.now()`` and ``time.time()`` stand where this clock stands, in the block.

        Args:
            when: Move the clock there first; like :meth:`move_to`.

        Raises:
            NoTimeMachine: time-machine is not installed.
            ValueError: it would move back, or the moment has no time zone.
        """
        from fw_testing.moved_time import datetime_moved

        if when is not None:
            self.move_to(when)
        with datetime_moved(self):
            yield self

    @contextmanager
    def followed(self, follower: Callable[[datetime], None]) -> Iterator[None]:
        """Tell ``follower`` of each move until the block ends."""
        self._followers.append(follower)
        try:
            yield
        finally:
            self._followers.remove(follower)

    def _go(self, to: datetime) -> datetime:
        self._now = to
        for follower in self._followers:
            follower(to)
        return to


def _moment(given: datetime | str) -> datetime:
    try:
        moment = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ClockMark(
            f"{given!r} is no moment with a time zone.",
            "A time without a zone is another one on each machine.",
            '"2026-03-29 01:30Z", or datetime(2026, 3, 29, 1, 30, tzinfo=UTC)',
        )
    return moment.astimezone(UTC)


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
