"""The options of one call: checked here, so that a bad one is named where it was written."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fw_core.errors import OptionError

MAX_DELAY = timedelta(days=365)
MIN_DELAY = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class CallOptions:
    """What a call asks for beyond its arguments; None: what the task was declared with.

    Attributes:
        queue: Where the message waits.
        delay: Seconds before it may start.
        priority: Above 4 goes first.
        expires: Seconds, or the moment, after which it is no longer started.
        id: The id of the call.
        after_commit: The session or transaction whose commit it waits for.
    """

    queue: str | None = None
    delay: float | None = None
    priority: int | None = None
    expires: float | datetime | None = None
    id: str | None = None
    after_commit: Any = None

    @classmethod
    def checked(
        cls,
        *,
        queue: str | None,
        delay: float | timedelta | None,
        priority: int | None,
        expires: float | timedelta | datetime | None,
        id: str | None,
        after_commit: Any = None,
    ) -> CallOptions:
        """Options from what a caller wrote.

        Raises:
            OptionError: a value that cannot be kept.
        """
        return cls(
            queue=_queue(queue),
            delay=None if delay is None else _delay(delay),
            priority=None if priority is None else check_priority(priority),
            expires=None if expires is None else _expires(expires),
            id=None if id is None else _id(id),
            after_commit=after_commit,
        )


NO_OPTIONS = CallOptions()


def check_priority(priority: Any) -> int:
    """Return a priority that the queues can keep.

    Raises:
        OptionError: it is no whole number from 0 to 9.
    """
    if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= 9:
        raise OptionError(
            f"priority must be a whole number from 0 to 9, got {priority!r}.",
            "Queues have two levels: above 4 goes first.",
            "priority=7",
        )
    return priority


def check_seconds(value: Any, *, option: str) -> float:
    """Return a duration in seconds.

    Raises:
        OptionError: it is no positive number of seconds, or more than a year.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not number or not 0 < seconds <= MAX_DELAY.total_seconds():
        raise OptionError(
            f"{option} must be above 0 and at most a year, got {value!r}.",
            "It is a time from now, in seconds or as a timedelta.",
            f"{option}=timedelta(minutes=5)",
        )
    return float(seconds)


def _delay(value: Any) -> float:
    seconds = check_seconds(value, option="delay")
    if seconds < MIN_DELAY:
        raise OptionError(
            f"delay must be at least {MIN_DELAY} s, got {value!r}.",
            "Delays are kept in the broker in steps of a tenth of a second.",
            "leave delay out to start as soon as a worker is free.",
        )
    return seconds


def _expires(value: Any) -> float | datetime:
    if not isinstance(value, datetime):
        return check_seconds(value, option="expires")
    if value.tzinfo is None:
        raise OptionError(
            f"expires must have a time zone, got {value!r}.",
            "The worker may run in another time zone, where this would be another moment.",
            "expires=datetime.now(UTC) + timedelta(hours=1)",
        )
    return value.astimezone(UTC)


def _queue(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    raise OptionError(
        f"queue must be the name of a queue, got {value!r}.",
        "Messages wait in a queue until a worker takes them.",
        'queue="bulk"',
    )


def _id(value: Any) -> str:
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, str) and value.isprintable() and 0 < len(value.encode()) <= 255:
        return value
    raise OptionError(
        f"id must be a text of 1 to 255 bytes, got {value!r}.",
        "The result is found by it.",
        "id=str(uuid.uuid4()), or leave it out.",
    )
