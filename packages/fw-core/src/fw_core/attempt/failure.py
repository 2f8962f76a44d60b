"""An attempt's error as data: it crosses processes and years, its class need not.

The team's own exception may hold what cannot be pickled, or ask its constructor for arguments that
nobody kept, so it never leaves the process that raised it: its name, its message and its traceback
do.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from traceback import format_exception
from types import TracebackType
from typing import Any, cast

from fw_core.errors import FrameworkError, JoinFailed, NeverSent

MESSAGE_BYTES = 8 * 1024
TRACEBACK_BYTES = 64 * 1024

_FRAMES_OF_FW = ("fw_core.attempt", "fw_worker.time_limit", "fw_testing.time_limit")


@dataclass(frozen=True, slots=True)
class TaskError:
    """Why an attempt failed.

    Attributes:
        type: The name of the error's class, with its module where it is no builtin.
        message: What the error said; its end is left out beyond 8 KiB.
        traceback: The traceback for people; its middle is left out beyond 64 KiB.
    """

    type: str
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


class AttemptFailed(Exception):  # noqa: N818 - reads as what happened
    """Stands for the error that ended an attempt, wherever an exception is wanted.

    Attributes:
        error: The error as data.
        reason: Why there is no further attempt; empty where there is one, or it is not known.
    """

    def __init__(self, error: TaskError, reason: str = "") -> None:
        self.error = error
        self.reason = reason
        super().__init__(error, reason)

    def __str__(self) -> str:
        return str(self.error)

    def __repr__(self) -> str:
        return f"{self.error.type}({self.error.message!r})"

    @classmethod
    def of(cls, error: BaseException, *, reason: str = "") -> AttemptFailed:
        """Keep what matters of ``error``."""
        return cls(describe(error, formatted(error)), reason)


def describe(error: Any, traceback: Any = None) -> TaskError:
    """Return what is kept of ``error``; never fails, whatever the exception does.

    >>> describe(ValueError("no such order"))
    TaskError(type='ValueError', message='no such order', traceback='')
    """
    if isinstance(error, AttemptFailed):
        return error.error
    if isinstance(error, JoinFailed):
        # Its traceback would lead into fw; the member's own is with the member.
        return _kept(type_name(error), message_of(error), None)
    if isinstance(error, NeverSent):  # it was raised nowhere, and its fix is all that helps
        return _kept(type_name(error), str(error), None)
    if isinstance(error, BaseException):
        original = _original(error)
        if original is not error:  # the traceback that was given ends with the stand-in
            traceback = formatted(original)
        return _kept(type_name(original), message_of(original), traceback)
    if isinstance(error, Mapping) and "exc_type" in error:
        given = cast("Mapping[str, Any]", error)
        return _kept(str(given["exc_type"]), _text(given.get("exc_message", "")), traceback)
    return _kept("Error", _text(error), traceback)


def _kept(name: str, message: str, traceback: Any) -> TaskError:
    trace = cut_middle(str(traceback), TRACEBACK_BYTES) if traceback else ""
    return TaskError(name, cut_end(message, MESSAGE_BYTES), trace)


def formatted(error: BaseException) -> str:
    """The traceback of an error, as text."""
    try:
        return "".join(format_exception(type(error), error, own_part(error.__traceback__)))
    except Exception as broken:
        return f"(it cannot be formatted: {type(broken).__name__})"


def own_part(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from the team's first frame on: those through which fw called it are left out."""
    own = trace
    while own is not None and own.tb_frame.f_globals.get("__name__", "").startswith(_FRAMES_OF_FW):
        own = own.tb_next
    return own or trace


def cut_end(text: str, limit: int) -> str:
    """Return ``text`` as a database can keep it, in at most ``limit`` bytes and a note."""
    data = _storable(text)
    if len(data) <= limit:
        return data.decode()
    kept = data[:limit].decode(errors="ignore")
    return f"{kept} … ({len(data) - limit} more bytes)"


def cut_middle(text: str, limit: int) -> str:
    """Like :func:`cut_end`, but keep the last three quarters: a traceback's end says most."""
    data = _storable(text)
    if len(data) <= limit:
        return data.decode()
    head, tail = limit // 4, limit - limit // 4
    first = data[:head].decode(errors="ignore")
    last = data[-tail:].decode(errors="ignore")
    return f"{first}\n  … ({len(data) - limit} bytes left out) …\n{last}"


def _storable(text: str) -> bytes:
    # PostgreSQL's text takes no NUL, UTF-8 no lone surrogate.
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace")


def type_name(error: BaseException) -> str:
    """The name of an error's class, as ``except`` would write it."""
    # Celery's stand-in for an exception that pickle refuses knows the name of the original.
    # Looked up without getattr: an error's own __getattr__ may fail, or never come to an end.
    known = vars(error)
    name = known.get("exc_cls_name")
    if name is not None:
        return _dotted(str(known.get("exc_module") or ""), str(name))
    return _dotted(type(error).__module__, type(error).__qualname__)


def _dotted(module: str, name: str) -> str:
    if module in {"", "builtins"}:
        return name
    return f"fw_core.{name}" if module.startswith("fw_core.") else f"{module}.{name}"


def message_of(error: BaseException) -> str:
    """What an error says; its own ``__str__`` may fail."""
    known = vars(error)
    arguments = known.get("exc_args")
    if arguments is not None and "exc_cls_name" in known:
        return _text(arguments[0]) if len(arguments) == 1 else _text(arguments)
    return error.what if isinstance(error, FrameworkError) else _text(error)


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception as broken:
        return f"(its text cannot be made: {type(broken).__name__})"


def _original(error: BaseException) -> BaseException:
    """The exception that was raised, where Celery hands on a stand-in made of a base class.

    ``get_pickleable_exception`` turns an exception that pickle refuses into its nearest base that
    pickle takes, and gives it the original's traceback; the original is still being handled.
    """
    current = sys.exception()
    if current is None or current is error or error.__traceback__ is None:
        return error
    return current if current.__traceback__ is error.__traceback__ else error
