"""How to wait for something that is looked up: often at first, then less and less often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

FIRST_PAUSE = 0.005
LONGEST_PAUSE = 0.25
GROWTH = 1.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """Where time comes from; a test brings its own and waits for nothing."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    asleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    advice: str = ""  # what to do when it is over, where waiting is not it


REAL_CLOCK = Clock()


def pauses(timeout: float, *, clock: Clock, longest: float = LONGEST_PAUSE) -> Iterator[float]:
    """Yield the pauses between looks: 5 ms, growing by half, never past the end of ``timeout``.

    The caller looks, then takes a pause; after the last pause it looks once more.

    >>> at_once = Clock(monotonic=lambda: 0.0)
    >>> steps = pauses(60, clock=at_once)
    >>> [round(next(steps), 4) for _ in range(4)]
    [0.005, 0.0075, 0.0112, 0.0169]
    >>> list(pauses(0, clock=at_once))
    []
    """
    end = clock.monotonic() + timeout
    pause = FIRST_PAUSE
    while (left := end - clock.monotonic()) > 0:
        yield min(pause, longest, left)
        pause *= GROWTH
