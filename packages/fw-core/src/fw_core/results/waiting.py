"""How to wait for something that is looked up: often at first, then less and less often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

FIRST_PAUSE = 0.0004
LONGEST_PAUSE = 0.25
SHARE = 0.03
"""Of the time waited so far: how long the next pause is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """Where time comes from; a test brings its own and waits for nothing."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    asleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    advice: str = ""  # what to do when it is over, where waiting is not it


REAL_CLOCK = Clock()


def pauses(timeout: float, *, clock: Clock, longest: float = LONGEST_PAUSE) -> Iterator[float]:
    """Yield the pauses between looks, never past the end of ``timeout``.

    Each is 3 % of what has been waited, at least 0.4 ms: an end is seen at most 3 % late, on
    average half of that, and a wait of 1 s takes about 150 looks. To be woken by PostgreSQL
    instead would take a second connection in each process, and a word for each result whether
    anybody waits for it or not.

    The caller looks, then takes a pause; after the last pause it looks once more.

    >>> moments = iter([0.0, 0.0, 0.1, 3.0, 59.9])
    >>> steps = pauses(60, clock=Clock(monotonic=lambda: next(moments)))
    >>> [round(next(steps), 4) for _ in range(4)]
    [0.0004, 0.003, 0.09, 0.1]
    >>> list(pauses(0, clock=Clock(monotonic=lambda: 0.0)))
    []
    """
    began = clock.monotonic()
    while (left := timeout - (waited := clock.monotonic() - began)) > 0:
        yield min(max(waited * SHARE, FIRST_PAUSE), longest, left)
