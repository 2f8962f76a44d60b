"""The closed set of ways in which an attempt can end."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The task has failed for good.

    Attributes:
        error: The last error.
        reason: Why there is no other attempt, in a few words.
    """

    error: BaseException
    reason: str


Outcome = Succeeded | RetryIn | GaveUp
