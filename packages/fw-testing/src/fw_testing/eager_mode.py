"""``fw_eager``: a call runs at once, through the same path as in production."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import signals

from fw_core import client
from fw_testing.bench import Bench, bench
from fw_testing.clock import VirtualClock
from fw_testing.records import DeadLetter, Ran


class Eager:
    """What eager calls did: the attempts, their waits, the dead letters."""

    def __init__(self, world: Bench) -> None:
        self._world = world

    @property
    def ran(self) -> list[Ran]:
        """Every attempt that has run, in order."""
        return list(self._world.ran)

    @property
    def waits(self) -> list[float]:
        """The waits between attempts in seconds, as the policies state them, before jitter."""
        return [ran.wait for ran in self._world.ran if ran.wait is not None]

    @property
    def dead(self) -> list[DeadLetter]:
        """The dead letters, oldest first."""
        return self._world.dead()

    @property
    def clock(self) -> VirtualClock:
        """The clock, which the waits have moved."""
        return self._world.clock


@contextmanager
def eager() -> Iterator[Eager]:
    """Run every call at once, for a block of code; :func:`fw_eager` is the fixture.

    The message is published, encoded, decoded and run as in production; retries and delays run
    at once too, in virtual time. What a task sends runs after it.
    """
    with bench() as world:

        def run_at_once(**_: Any) -> None:
            if client.current_app() is world.app and not world.worker.running:
                world.rest()

        signals.after_task_publish.connect(run_at_once, weak=False)
        try:
            yield Eager(world)
        finally:
            signals.after_task_publish.disconnect(run_at_once)
