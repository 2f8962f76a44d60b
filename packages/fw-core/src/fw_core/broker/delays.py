"""The steps of the wait queues: which delays have a queue of their own.

A wait queue holds messages that all wait equally long, so they leave in order and on time. There
is one for each step: 0.1 s apart at first, then at most 5 % apart, up to a day. Longer delays go
from queue to queue.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

STEP = 0.1
SHARE = 0.05
LONGEST = 24 * 3600.0


def _grid() -> tuple[int, ...]:
    """All steps in milliseconds: the widest round step that is at most 5 % of the delay."""
    steps: list[int] = []
    at, longest = 100, int(LONGEST * 1000)
    while at < longest:
        steps.append(at)
        width = 100
        for candidate in (200, 500):
            width = candidate if candidate <= at * SHARE else width
        scale = 1000
        while scale <= at * SHARE:
            for factor in (1, 2, 5):
                width = scale * factor if scale * factor <= at * SHARE else width
            scale *= 10
        at = (at // width + 1) * width
    steps.append(longest)
    return tuple(steps)


STEPS_MS = _grid()


def step_above(seconds: float) -> int:
    """The shortest wait queue that is not shorter than ``seconds``, in milliseconds.

    >>> [step_above(s) for s in (0.01, 3, 3.21, 9.45, 27, 61)]
    [100, 3000, 3300, 9600, 27000, 62000]

    More than a day gives the longest, from where the message goes on.
    """
    return STEPS_MS[min(bisect_left(STEPS_MS, _ms_up(seconds)), len(STEPS_MS) - 1)]


def step_towards(seconds: float) -> int:
    """The longest wait queue that is not longer than ``seconds``, in milliseconds.

    For delays that are kept to a tenth of a second: what is left is waited in further queues.

    >>> [step_towards(s) for s in (0.01, 0.27, 60, 61, 100_000)]
    [100, 300, 60000, 60000, 86400000]
    """
    wanted = _ms_up(seconds)
    above = step_above(seconds)
    if above - wanted <= STEP * 1000:
        return above
    return STEPS_MS[max(bisect_right(STEPS_MS, wanted) - 1, 0)]


def _ms_up(seconds: float) -> int:
    """Milliseconds, rounded up, without the dust of floating point."""
    ms = round(seconds * 1000, 3)
    return int(ms) + (ms > int(ms))
