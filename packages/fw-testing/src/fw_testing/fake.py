"""``fw_broker``: nothing runs until the test says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from fw_testing.assertions import Assertions
from fw_testing.bench import MOST_STEPS, bench
from fw_testing.errors import NothingReady
from fw_testing.records import Message, Ran


class FakeBroker(Assertions):
    """A broker in memory with a worker that runs a message when it is told to."""

    @property
    def waiting(self) -> list[Message]:
        """What has not run: ready, delayed, or waiting for a retry; first due, first shown."""
        return self._world.waiting()

    def run_next(self) -> Ran | None:
        """Run the next ready message.

        Returns:
            The attempt; None where the message could not become one.

        Raises:
            NothingReady: no message is ready now; it says when the next one is.
        """
        if not self._world.worker.is_ready():
            raise NothingReady(next_in=self._world.next_in())
        return self._world.run_next()

    def drain(self, *, most: int = MOST_STEPS) -> list[Ran]:
        """Run all that is ready, also what it sends, until nothing is; time stands still.

        Args:
            most: How many messages may run before it counts as endless.

        Raises:
            NeverAtRest: tasks keep sending tasks.
        """
        return self._world.drain(most)

    def advance(self, seconds: float | timedelta) -> None:
        """Move the time; what is due by then is ready, and runs when it is told to."""
        self._world.clock.advance(seconds)
        self._world.collect()


@contextmanager
def fake_broker(
    *, start: datetime | str | None = None, move_datetime: bool = False, move_sleep: bool = False
) -> Iterator[FakeBroker]:
    """A fake broker for a block of code; :func:`fw_broker` is the fixture.

    Args:
        start: Where the clock starts, with a time zone; noon of 1 January 2026 (UTC) if not given.
        move_datetime: ``datetime.now()`` and ``time.time()`` follow the clock.
        move_sleep: A task that sleeps moves the clock; else it is an error.
    """
    with bench(start=start, move_datetime=move_datetime, move_sleep=move_sleep) as world:
        yield FakeBroker(world)
