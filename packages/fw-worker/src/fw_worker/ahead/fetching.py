"""How many messages to have here: few of long tasks, enough of short ones.

A message that waits here waits for this worker, whoever else is free; and the broker's clock, its
``consumer_timeout``, runs. So a worker begins with a few for each process. Where it ends so many
attempts a second that these are gone in no time, it asks for as many as it ends in a tenth of a
second; where nothing ends any more, it gives back what it has too much.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_LOOK_SECONDS = 0.0125
LOOK_SECONDS = 0.1
"""How often it is looked at: soon after work has come, then half as often each time."""

AHEAD_SECONDS = 0.1
"""How much work, in seconds, a busy worker has waiting."""

STUCK_SECONDS = 0.25
"""How long nothing may end in a busy worker before it holds no more than it began with."""

MOST = 256
"""Messages for each process at most."""


@dataclass(slots=True)
class Fetching:
    """Decides on one worker's prefetch."""

    _ended: int = 0
    _looked: float = 0.0
    _latest: float = 0.0

    def began(self, now: float) -> None:
        """It has something to do, after a time of nothing."""
        self._ended, self._looked, self._latest = 0, now, now

    def ended(self, now: float) -> None:
        """An attempt has ended."""
        self._ended += 1
        self._latest = now

    def decide(self, current: int, *, least: int, most: int, is_busy: bool, now: float) -> int:
        """How many messages to have at most, here and waiting.

        Args:
            current: How many it is now.
            least: What a worker with so many processes begins with.
            most: What it may ask for.
            is_busy: Whether no process is free.
            now: The time, by any clock that only goes forward, in seconds.

        >>> fetching = Fetching()
        >>> fetching.began(0.0)
        >>> for number in range(200): fetching.ended(0.1)
        >>> fetching.decide(8, least=8, most=128, is_busy=True, now=0.1)
        128
        >>> fetching.decide(128, least=8, most=128, is_busy=True, now=0.5)  # nothing ends
        8
        """
        passed = now - self._looked
        rate = self._ended / passed if passed > 0 else 0.0
        self._ended, self._looked = 0, now
        if not is_busy:
            return current
        if now - self._latest > STUCK_SECONDS:
            return least
        wanted = int(rate * AHEAD_SECONDS)
        wanted = max(least, min(wanted, most))
        # Each change costs two round trips, and the rate is never quite the same.
        return wanted if wanted >= 2 * current or wanted <= current // 4 else current
