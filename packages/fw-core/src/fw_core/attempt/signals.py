"""What a task's body may raise to say how its attempt ended.

Both derive from BaseException: a body with ``except Exception`` around its work must not swallow
them, or the task would count as done and run again as well.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fw_core.errors import OptionError

_YEAR = 365 * 24 * 3600


class RetryLater(BaseException):
    """Run this task again after ``seconds``, without using up a retry.

    For "not yet": a file that has not arrived, a report that is still being made.

    Args:
        seconds: How long to wait, above 0; a number or a timedelta.
        max_times: How often one task may do this; then it ends as a failure.
        max_delay: Caps ``seconds``; the policy's ``max_delay`` if not given.

    Raises:
        OptionError: a wait that cannot be kept.
    """

    def __init__(
        self,
        seconds: float | timedelta,
        *,
        max_times: int = 100,
        max_delay: float | timedelta | None = None,
    ) -> None:
        self.seconds = _seconds(seconds)
        self.max_times = _times(max_times)
        self.max_delay = None if max_delay is None else _seconds(max_delay)
        super().__init__(f"again in {self.seconds:g} s")


class GiveUp(BaseException):
    """End this task now as a failure: another attempt could not help.

    Args:
        reason: Why, for the person who looks at it later.
    """

    def __init__(self, reason: str = "no reason was given") -> None:
        self.reason = reason
        super().__init__(reason)


def _times(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise OptionError(
            f"RetryLater was given max_times={given!r}.",
            "It is how often one task may ask to run later: a whole number of at least 1.",
            "raise RetryLater(30, max_times=100)",
        )
    return given


def _seconds(given: Any) -> float:
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, (int, float))
        or not 0 < seconds <= _YEAR
    ):
        raise OptionError(
            f"RetryLater was given a wait of {given!r}.",
            "A wait is above 0 seconds and at most a year.",
            "raise RetryLater(30)",
        )
    return float(seconds)
