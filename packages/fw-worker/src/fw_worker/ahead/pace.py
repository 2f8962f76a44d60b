"""How long the attempts of each task take, as far as the worker has seen."""

from __future__ import annotations

SHORT = 0.005
"""Seconds up to which an attempt is short: several are sent to a process at a time."""

TOGETHER = 0.010
"""Seconds that a group is expected to take at most."""

MOST = 64
"""Attempts in a group at most; more than this gains nothing."""

_WEIGHT = 0.2


class Pace:
    """The smoothed duration of each task's attempts: quick to see a long one, slow to forget it."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def note(self, task: str, seconds: float) -> None:
        """An attempt of ``task`` took so many seconds."""
        before = self._seconds.get(task)
        if before is None or seconds > before:
            self._seconds[task] = seconds
        else:
            self._seconds[task] = before + _WEIGHT * (seconds - before)

    def of(self, task: str) -> float | None:
        """Seconds that the next attempt is expected to take; None: not known yet."""
        return self._seconds.get(task)


def fits(pace: float | None, expected: float, count: int) -> bool:
    """Whether an attempt may join a group.

    Args:
        pace: Seconds that it is expected to take; None: nobody knows.
        expected: Seconds that the group is expected to take without it.
        count: How many are in it.

    >>> fits(0.001, expected=0.003, count=3)
    True
    >>> fits(None, expected=0.003, count=3)
    False
    >>> fits(0.5, expected=0.003, count=3)
    False
    """
    return pace is not None and pace <= SHORT and expected + pace <= TOGETHER and count < MOST
