"""What a test sees: calls that were sent, messages that wait, dead letters, attempts that ran."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A call on its way.

    Attributes:
        task: The task's name.
        args: Its positional arguments as the message carries them.
        kwargs: Its named arguments as the message carries them.
        id: The id of the call.
        queue: Where it waits.
        attempt: Which attempt it will bring, counted from 1.
        delay: How long it still waits; zero when it is ready.
        priority: Above 4 goes first.
    """

    task: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    id: str
    queue: str
    attempt: int
    delay: timedelta
    priority: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """A call that failed for good, or a message that nothing could run.

    Attributes:
        task: The task's name; empty where the message names none.
        args: Its positional arguments; empty where they cannot be read.
        kwargs: Its named arguments.
        id: The id of the call.
        queue: Where it waited before.
        error: The kept error, as ``ConnectionError: no route``.
        cause: What kind of end it was, as ``retries-spent`` or ``expired``.
        reason: Why there is no further attempt, in a few words.
        attempts: How often it ran.
        died_at: When.
        dead_id: What the dead letter is known by; other than its call, it is there once.
        body: The message's raw bytes.
    """

    task: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    id: str
    queue: str
    error: str
    cause: str
    reason: str
    attempts: int
    died_at: datetime
    dead_id: str
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """An attempt that has run.

    Attributes:
        task: The task's name.
        id: The id of the call.
        attempt: Which attempt it was, counted from 1.
        outcome: How it ended; ``later`` is a RetryLater.
        wait: The wait that follows as the policy states it, before jitter; None if none does.
        error: What ended it; None after a success.
        result: What it returned; None after a failure.
    """

    task: str
    id: str
    attempt: int
    outcome: Literal["succeeded", "retry", "later", "failed"]
    wait: float | None
    error: BaseException | None
    result: Any
