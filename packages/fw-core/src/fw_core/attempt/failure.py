"""An attempt's error as data: it crosses processes and years, its class need not."""

from __future__ import annotations

import traceback
from typing import Any

from fw_core.errors import FrameworkError

MESSAGE_LIMIT = 8 * 1024
TRACEBACK_LIMIT = 64 * 1024


class AttemptFailed(Exception):  # noqa: N818 - reads as what happened
    """What is kept of the error that ended an attempt.

    The team's own exception may hold what cannot be pickled, or ask its constructor for arguments
    that nobody kept, so it never leaves the process that raised it.

    Attributes:
        error_type: The name of the error's class, with its module where it is no builtin.
        error_message: What it said.
        error_traceback: Where it was raised, as text.
        reason: Why there is no further attempt; empty where there is one.
    """

    def __init__(
        self, error_type: str, error_message: str, error_traceback: str, reason: str = ""
    ) -> None:
        self.error_type = error_type
        self.error_message = error_message
        self.error_traceback = error_traceback
        self.reason = reason
        super().__init__(error_type, error_message, error_traceback, reason)

    def __str__(self) -> str:
        return f"{self.error_type}: {self.error_message}"

    def __repr__(self) -> str:
        return f"{self.error_type}({self.error_message!r})"

    @classmethod
    def of(cls, error: BaseException, *, reason: str = "") -> AttemptFailed:
        """Keep what matters of ``error``."""
        return cls(type_name(error), message_of(error), traceback_of(error), reason)


def type_name(error: BaseException) -> str:
    """The name of an error's class, as ``except`` would write it."""
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def message_of(error: BaseException) -> str:
    """What an error says; its own ``__str__`` may fail."""
    try:
        text = error.what if isinstance(error, FrameworkError) else str(error)
    except Exception as broken:
        text = f"<its message cannot be read: {type(broken).__name__}>"
    return _shortened(text, MESSAGE_LIMIT)


def traceback_of(error: BaseException) -> str:
    """Where an error was raised, as text."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception as broken:
        text = f"<its traceback cannot be read: {type(broken).__name__}>"
    return _shortened(text, TRACEBACK_LIMIT, keep_end=True)


def _shortened(text: Any, limit: int, *, keep_end: bool = False) -> str:
    text = str(text).replace("\x00", "\\x00")
    if len(text) <= limit:
        return text
    return "... " + text[-limit:] if keep_end else text[:limit] + " ..."
