"""Why, when and where a call died: told by whoever gave it up, in a header of its message.

A message that the broker itself sent to the dead letters (it was delivered too often, or another
program rejected it) has no such header; its collector works out what can be known.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self, cast

from fw_core.attempt.failure import TaskError, cut_end, cut_middle
from fw_core.attempt.outcome import Cause

_MESSAGE_BYTES = 4 * 1024
_TRACEBACK_BYTES = 32 * 1024  # all headers of a message share one frame of 128 KiB
_TRY_BYTES = 200
_MOST_TRIES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """An attempt that failed.

    Attributes:
        number: Which attempt it was, counted from 1.
        at: When it ended.
        error: Its error in one line.
        worker: Where it ran.
    """

    number: int
    at: datetime
    error: str
    worker: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Death:
    """How a call ended for good.

    Attributes:
        cause: What kind of end it was; what ``fw dead list`` counts by.
        reason: Why there is no further attempt, in a few words.
        error: The last error.
        at: When.
        attempts: How often it ran.
        queue: The team's queue that it was in.
        worker: Who gave it up; empty if the broker did.
        tries: Its failed attempts, the last one included; the newest 20 of them.
        is_settled: Whether its result, its join and its error callbacks have been seen to. If not,
            the collector does.
    """

    cause: Cause
    reason: str
    error: TaskError
    at: datetime
    attempts: int
    queue: str
    worker: str = ""
    tries: tuple[Try, ...] = ()
    is_settled: bool = False

    def to_header(self) -> str:
        """The death as JSON text, cut to what a header can hold."""
        error = TaskError(
            self.error.type,
            cut_end(self.error.message, _MESSAGE_BYTES),
            cut_middle(self.error.traceback, _TRACEBACK_BYTES),
        )
        facts = {name: getattr(self, name) for name in _PLAIN}
        return json.dumps(
            {
                **facts,
                "error": asdict(error),
                "at": self.at.isoformat(),
                "tries": json.loads(tries_to_header(self.tries)),
            }
        )

    @classmethod
    def from_header(cls, text: Any) -> Self | None:
        """Read what :meth:`to_header` wrote; None for what it did not write."""
        try:
            facts: dict[str, Any] = json.loads(text)
            return cls(
                **{name: facts[name] for name in _PLAIN if name != "cause"},
                cause=Cause(facts["cause"]),
                error=TaskError(**facts["error"]),
                at=datetime.fromisoformat(facts["at"]),
                tries=tries_from_header(json.dumps(facts["tries"])),
            )
        except (TypeError, ValueError, KeyError, RecursionError):
            return None


_PLAIN = ("cause", "reason", "attempts", "queue", "worker", "is_settled")


def tries_to_header(tries: tuple[Try, ...]) -> str:
    """The newest failed attempts as JSON text."""
    kept = tries[-_MOST_TRIES:]
    return json.dumps(
        [
            [each.number, each.at.isoformat(), cut_end(each.error, _TRY_BYTES), each.worker]
            for each in kept
        ]
    )


def tries_from_header(text: Any) -> tuple[Try, ...]:
    """Read what :func:`tries_to_header` wrote; nothing for what it did not write."""
    try:
        return tuple(
            Try(number=int(number), at=datetime.fromisoformat(at), error=str(error), worker=worker)
            for number, at, error, worker in cast("list[Any]", json.loads(text))
        )
    except (TypeError, ValueError, RecursionError):
        return ()
