"""Higher-order functions: a backoff is a function from retry number to seconds.

Each function here makes one, or makes one out of another, so that a policy is put together
from parts that can be read and tested alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from fw_core.errors import PolicyError

Backoff = Callable[[int], float]
"""From the number of a retry, counted from 1, to the seconds to wait before it."""


def exponential(base: float) -> Backoff:
    """Wait ``base ** n`` seconds before retry *n*.

    >>> [exponential(3)(n) for n in (1, 2, 3)]
    [3.0, 9.0, 27.0]
    >>> exponential(3)(10_000)
    inf

    Args:
        base: Growth from one retry to the next, in seconds; at least 1.

    Raises:
        PolicyError: ``base`` is below 1 or no finite number, when the task is declared.
    """
    if not 1 <= base < math.inf:  # NaN is neither
        raise PolicyError(
            f"backoff must be a number of at least 1, got {base!r}.",
            "The wait before retry n is backoff ** n seconds: below 1 it would shrink to nothing.",
            "backoff=2 waits 2, 4, 8 ... seconds; backoff=[0.5] waits half a second each time.",
        )

    def wait(retry: int) -> float:
        try:
            return float(base) ** retry
        except OverflowError:
            return math.inf

    return wait


def listed(waits: Sequence[float]) -> Backoff:
    """Wait the seconds of a list, one after the other; the last one repeats.

    >>> [listed([1, 10, 60])(n) for n in (1, 2, 3, 4)]
    [1.0, 10.0, 60.0, 60.0]

    Raises:
        PolicyError: the list is empty or has a wait that is not above 0, when the task is declared.
    """
    seconds = tuple(waits)
    if not seconds:
        raise PolicyError(
            "backoff is an empty list.",
            "It has to say how long to wait before a retry.",
            "backoff=[1, 10, 60], or retries=0 for no retry at all.",
        )
    for wait in seconds:
        check_wait(wait, source=f"backoff={list(seconds)!r}")
    return lambda retry: float(seconds[min(retry, len(seconds)) - 1])


def capped(backoff: Backoff, seconds: float) -> Backoff:
    """Wait as ``backoff`` says, but never longer than ``seconds``.

    >>> capped(exponential(10), 3600)(4)
    3600.0
    """
    return lambda retry: min(backoff(retry), float(seconds))


def jittered(backoff: Backoff, share: float, draw: Callable[[], float]) -> Backoff:
    """Wait as ``backoff`` says and up to ``share`` of it longer, so that retries spread.

    A wait is never shorter than stated.

    >>> jittered(exponential(3), 0.1, draw=lambda: 0.5)(2)
    9.45

    Args:
        share: At most this part of the wait is added, 0 to 1.
        draw: Gives a number from 0 up to 1, as ``random.random`` does.
    """

    def wait(retry: int) -> float:
        stated = backoff(retry)
        return stated + stated * share * draw()

    return wait


def check_wait(wait: object, *, source: str) -> float:
    """Return ``wait`` in seconds, or say why nothing can wait that long.

    Raises:
        PolicyError: it is no number, not above 0, or not a number of seconds at all (NaN).
    """
    if isinstance(wait, bool) or not isinstance(wait, (int, float)) or not wait > 0:
        raise PolicyError(
            f"{source} gives a wait of {wait!r}.",
            "A wait is a number of seconds above 0: without one, a failing task would spin.",
            "backoff=[0.5] waits half a second before each retry.",
        )
    try:
        return float(wait)
    except OverflowError:
        return math.inf
