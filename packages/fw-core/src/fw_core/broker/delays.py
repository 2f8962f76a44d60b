"""The steps of the wait queues, and the way of a delay through them.

A wait queue holds messages that all wait equally long, so they leave in order and on time. There
is one for each step: 0.1 s apart at first, then at most 5 % apart, up to a day. A delay between
two steps waits in a long queue first and for the rest in a short one, to where the broker takes
it: so a thousand retries of one wait, each with its own jitter, do not come back in a few bunches.
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


def way(seconds: float, *, exact: bool) -> tuple[int | None, int]:
    """The long wait queue, if any, and the wait queue that a delay goes through, in milliseconds.

    Together they are never shorter than ``seconds`` and at most 0.1 s or 0.25 % longer. An exact
    delay is never more than 0.1 s longer: where that cannot be, they are shorter by more than
    0.1 s, and the worker sends the message on for what is left. So does more than a day.

    >>> [way(s, exact=True) for s in (0.27, 60, 61.07, 1000.3, 100_000)]
    [(None, 300), (None, 60000), (60000, 1100), (1000000, 300), (None, 86400000)]
    >>> way(3707.72, exact=False), way(3707.72, exact=True)
    ((3700000, 7800), (3700000, 7800))
    """
    wanted, tenth = _ms_up(seconds), int(STEP * 1000)
    above = step_above(seconds)
    if above - wanted <= tenth:
        return None, above
    long = _below(wanted - tenth)
    rest = wanted - long
    last = step_above(rest / 1000)
    if exact and last - rest > tenth:
        last = _below(rest - 2 * tenth)
    return long, last


def _below(ms: int) -> int:
    """The longest step that is not longer."""
    return STEPS_MS[max(bisect_right(STEPS_MS, ms) - 1, 0)]


def _ms_up(seconds: float) -> int:
    """Milliseconds, rounded up, without the dust of floating point."""
    ms = round(seconds * 1000, 3)
    return int(ms) + (ms > int(ms))
