"""What a body can know of its own attempt."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from fw_core.errors import NoAttemptError


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One run of a task.

    Attributes:
        task: The task's name.
        task_id: The id of the call; the same in all its attempts.
        message_id: The id of the message that brought this attempt.
        number: Which attempt this is, counted from 1.
        of: How many there are at most.
        deadline: When this attempt is stopped.
        redelivered: Whether the message was delivered before, so that a body may have run.
        queue: The queue that the message came from.
    """

    task: str
    task_id: str
    message_id: str
    number: int
    of: int
    deadline: datetime
    redelivered: bool
    queue: str


_current: ContextVar[Attempt | None] = ContextVar("fw_attempt", default=None)


def current_attempt() -> Attempt:
    """The attempt that is running here.

    Raises:
        NoAttemptError: none is: the function was called directly.
    """
    attempt = _current.get()
    if attempt is None:
        raise NoAttemptError
    return attempt


def attempt_or_none() -> Attempt | None:
    """The attempt that is running here, if there is one."""
    return _current.get()


class running:  # noqa: N801 - a context manager, which a generator would make slower
    """Make ``attempt`` the current one while a body runs."""

    __slots__ = ("_attempt", "_token")

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def __enter__(self) -> None:
        self._token = _current.set(self._attempt)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
