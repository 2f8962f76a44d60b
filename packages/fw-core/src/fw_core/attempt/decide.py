"""From an error to what follows: pure, without a clock of its own, without I/O."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeGuard

from fw_core.attempt.outcome import Cause, GaveUp, RetryIn
from fw_core.attempt.policy import RetryPolicy
from fw_core.attempt.retry_after import retry_after
from fw_core.attempt.signals import GiveUp, RetryLater
from fw_core.errors import (
    DeclarationError,
    Expired,
    LaterTooOften,
    MessageError,
    ReturnError,
    TimedOut,
    WorkerDied,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tries:
    """What a message has been through.

    Attributes:
        retries: Retries used so far; 0 on the first attempt.
        laters: How often a body asked for ``RetryLater``.
    """

    retries: int = 0
    laters: int = 0

    @property
    def attempt(self) -> int:
        """The number of this attempt, counted from 1."""
        return self.retries + 1


def decide(
    error: BaseException,
    policy: RetryPolicy,
    tries: Tries,
    *,
    now: datetime,
    retry_after_limit: float = 3600,
    draw: Callable[[], float] = random.random,
) -> RetryIn | GaveUp:
    """What follows from an attempt that ended with ``error``.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> policy = RetryPolicy(retries=1, backoff=3, jitter=0)
    >>> decide(ConnectionError(), policy, Tries(), now=noon).seconds
    3.0
    >>> decide(ConnectionError(), policy, Tries(retries=1), now=noon).reason
    'the last of 2 attempts failed'

    Args:
        error: What the body raised.
        policy: The task's retry policy.
        tries: What the message has been through, this attempt not counted.
        now: The current time, with a time zone; only a ``Retry-After`` date needs it.
        retry_after_limit: Seconds that a ``Retry-After`` may ask for at most.
        draw: Gives the jitter, from 0 up to 1.
    """
    error = _meant(error)
    if isinstance(error, GiveUp):
        return GaveUp(error, "the task gave up", Cause.GAVE_UP)
    if isinstance(error, RetryLater):
        return _later(error, policy, tries)
    if isinstance(error, (MessageError, DeclarationError)):
        return GaveUp(error, "another attempt would get the same arguments", Cause.WRONG_ARGUMENTS)
    if isinstance(error, (ReturnError, Expired)):
        cause = Cause.EXPIRED if isinstance(error, Expired) else Cause.NO_RESULT
        return GaveUp(error, "another attempt could not change it", cause)
    if not isinstance(error, WorkerDied) and not policy.retries_error(error):
        return GaveUp(
            error, f"{type(error).__name__} is not retried by the task's policy", Cause.GAVE_UP
        )
    if tries.retries >= policy.retries:
        return GaveUp(error, _spent(policy), _cause(error))
    retry = tries.retries + 1
    stated = policy.stated_wait(retry)
    seconds = policy.wait(retry, draw)
    asked = retry_after(error, now=now)
    if asked is not None:
        asked = min(asked, retry_after_limit)
        stated, seconds = max(stated, asked), max(seconds, asked)
    return RetryIn(seconds, stated, error)


def _is_group(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(error, BaseExceptionGroup)


def _meant(error: BaseException) -> BaseException:
    """What a body meant that raised its signal inside an ``asyncio.TaskGroup``."""
    if not _is_group(error):
        return error
    for kind in (GiveUp, RetryLater):
        found: BaseException | None = error.subgroup(kind)
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        if found is not None:
            return found
    return error


def _spent(policy: RetryPolicy) -> str:
    if policy.retries == 0:
        return "the task has no retries"
    return f"the last of {policy.max_attempts} attempts failed"


def _cause(error: BaseException) -> Cause:
    if isinstance(error, TimedOut):
        return Cause.TIMED_OUT
    return Cause.DIED if isinstance(error, WorkerDied) else Cause.RETRIES_SPENT


def _later(signal: RetryLater, policy: RetryPolicy, tries: Tries) -> RetryIn | GaveUp:
    if tries.laters >= signal.max_times:
        times = signal.max_times
        return GaveUp(
            LaterTooOften(times=times),
            f"it asked to run later {times} times",
            Cause.LATER_TOO_OFTEN,
        )
    cap = policy.max_seconds if signal.max_delay is None else signal.max_delay
    seconds = min(signal.seconds, cap)
    return RetryIn(seconds, seconds, signal, counts=False)
