"""The closed set of ways in which an attempt can end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The body returned; ``value`` is what JSON will carry."""

    value: Any


@dataclass(frozen=True, slots=True)
class RetryIn:
    """The task runs again after ``seconds``.

    Attributes:
        seconds: The wait, jitter included.
        stated: The wait before jitter, as the policy states it.
        error: Why.
        counts: Whether it uses up a retry; ``RetryLater`` does not.
    """

    seconds: float
    stated: float
    error: BaseException
    counts: bool = True


class Cause(StrEnum):
    """The kinds of end that a call can have for good; dead letters are counted by them."""

    RETRIES_SPENT = "retries-spent"
    """The last attempt failed."""
    GAVE_UP = "gave-up"
    """The body raised ``GiveUp``, or an error that its policy does not retry."""
    TIMED_OUT = "timed-out"
    """The last attempt ran longer than the task's timeout."""
    DIED = "died"
    """The process or the worker that ran it died, each time that it was tried."""
    LATER_TOO_OFTEN = "later-too-often"
    """It asked for ``RetryLater`` more often than it may."""
    WRONG_ARGUMENTS = "wrong-arguments"
    """The message's arguments are not those of the function."""
    NO_RESULT = "no-result"
    """What it returned cannot be kept."""
    EXPIRED = "expired"
    """It came after its ``expires``."""
    REVOKED = "revoked"
    """An operator revoked it."""
    UNKNOWN_TASK = "unknown-task"
    """The worker that got it has no such task."""
    UNREADABLE = "unreadable"
    """The message is no call: it cannot be decoded, or has a wrong form."""
    NO_WORKFLOW = "no-workflow"
    """The message was to start a workflow and starts none: it or its plan has mistakes."""
    DELIVERED_TOO_OFTEN = "delivered-too-often"
    """The broker's own limit of deliveries was reached."""
    UNROUTABLE = "unroutable"
    """It waited for a delay or a retry, and its queue was gone when that was over."""
    REJECTED = "rejected"
    """Another program took it and refused it."""


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The task has failed for good.

    Attributes:
        error: The last error.
        reason: Why there is no other attempt, in a few words.
        cause: What kind of end it was.
    """

    error: BaseException
    reason: str
    cause: Cause


Outcome = Succeeded | RetryIn | GaveUp
