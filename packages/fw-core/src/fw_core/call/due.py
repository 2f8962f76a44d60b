"""When a call by Celery's own words, ``countdown`` and ``eta``, may start."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from fw_core.call.options import MAX_DELAY
from fw_core.errors import OptionError


def due_at(
    now: datetime, *, countdown: Any = None, eta: Any = None, task: str, clamps: bool = False
) -> datetime | None:
    """The moment at which a call may start at the earliest; None: now.

    An ``eta`` that has passed means now, as it does where a queue was long.

    Args:
        now: The current time, with a time zone.
        countdown: Seconds from now, or a timedelta.
        eta: A moment, or its ISO form; UTC where it names no time zone.
        task: The task, for messages.
        clamps: Take the nearest delay that can be kept instead of raising.

    Raises:
        OptionError: it is negative, more than a year, or no time at all.
    """
    if eta is not None:
        return _from_eta(now, eta, task, clamps=clamps)
    if countdown is None:
        return None
    seconds = countdown.total_seconds() if isinstance(countdown, timedelta) else countdown
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if clamps and number and not math.isnan(seconds):
        seconds = min(max(seconds, 0.0), MAX_DELAY.total_seconds())
    if not number or not 0 <= seconds <= MAX_DELAY.total_seconds():
        raise OptionError(
            f"{task}: countdown must be from 0 to a year, got {countdown!r}.",
            "It is a time from now, in seconds.",
            "countdown=300, or leave it out to start as soon as a worker is free.",
        )
    return now + timedelta(seconds=seconds) if seconds else None


def _from_eta(now: datetime, eta: Any, task: str, *, clamps: bool) -> datetime | None:
    try:
        moment = datetime.fromisoformat(eta) if isinstance(eta, str) else eta
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        wait = moment - now
    except (AttributeError, TypeError, ValueError):
        raise OptionError(
            f"{task}: eta must be a datetime, got {eta!r}.",
            "It is the moment at which the call may start at the earliest.",
            "eta=datetime.now(UTC) + timedelta(minutes=5)",
        ) from None
    if wait > MAX_DELAY:
        if clamps:
            return now + MAX_DELAY
        raise OptionError(
            f"{task}: eta must be at most a year from now, got {eta!r}.",
            "Delays are kept in the broker, for a year at most.",
            "eta=datetime.now(UTC) + timedelta(minutes=5)",
        )
    return moment if wait > timedelta(0) else None
