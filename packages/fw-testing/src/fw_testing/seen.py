"""What both fixtures show: what was sent, what ran, what is dead."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fw_testing.bench import Bench
    from fw_testing.clock import VirtualClock
    from fw_testing.records import DeadLetter, Message, Ran


class Seen:
    """What happened in a test's own world."""

    def __init__(self, world: Bench) -> None:
        self._world = world

    @property
    def sent(self) -> list[Message]:
        """Every call that was sent, in order, whether it has run or not; retries are no calls."""
        return list(self._world.sent)

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
        """The clock that decides what is due."""
        return self._world.clock
