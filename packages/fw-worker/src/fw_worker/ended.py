"""What is told of every attempt when it has ended: the log line, and whoever else wants to know."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fw_core.attempt.decide import Tries
from fw_core.attempt.failure import message_of, type_name
from fw_core.attempt.outcome import GaveUp, Outcome, RetryIn, Succeeded
from fw_core.declare.spec import TaskSpec

_logger = logging.getLogger("fw.task")


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that has ended.

    Attributes:
        spec: The task.
        task_id: The id of the call.
        tries: What the message had been through before this attempt.
        outcome: How it ended.
        seconds: How long it ran.
        is_redelivered: Whether its message was delivered before, so that the body may have run.
    """

    spec: TaskSpec
    task_id: str
    tries: Tries
    outcome: Outcome
    seconds: float
    is_redelivered: bool = False


Listener = Callable[[Ended], None]

_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tell ``listener`` of every attempt that ends in this process until the block ends."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def tell(ended: Ended) -> None:
    """Write the one line of an attempt and tell the listeners.

    What a log handler raises, or an error whose traceback is asked for, does not become the
    outcome.
    """
    try:
        _log(ended)
    except Exception as broken:  # noqa: BLE001 - whatever a handler of the team raises
        with suppress(Exception):
            _logger.error(
                "%s attempt %d has ended; more cannot be said of it: %s",
                ended.spec.name, ended.tries.attempt, type_name(broken),
            )  # fmt: skip
    for listener in tuple(_listeners):
        listener(ended)


def _write(line: str, facts: dict[str, Any]) -> None:
    """The line of a success. Most attempts are one, and where this file says so tells nobody."""
    record = logging.LogRecord.__new__(logging.LogRecord)
    known = _known_here.facts
    now = time.time()
    record.__dict__ = {
        **known,
        "args": (line,),
        "created": now,
        "msecs": int(now % 1 * 1000) + 0.0,
        "relativeCreated": known["relativeCreated"] + (now - known["created"]) * 1000,
        "fw": facts,
    }
    _logger.handle(record)


class _KnownHere(threading.local):
    """What every record of this thread says; to find it out takes longer than all else of one."""

    def __init__(self) -> None:
        record = logging.LogRecord(_logger.name, logging.INFO, __file__, 0, "%s", ("",), None)
        self.facts = vars(record)


_known_here = _KnownHere()


def _forget() -> None:
    """A process that is forked has a name and a number of its own."""
    global _known_here
    _known_here = _KnownHere()


os.register_at_fork(after_in_child=_forget)


def _log(ended: Ended) -> None:
    if isinstance(ended.outcome, Succeeded) and not _logger.isEnabledFor(logging.INFO):
        return
    policy, seconds = ended.spec.policy, ended.seconds
    line = f"{ended.spec.name} attempt {ended.tries.attempt} of {policy.max_attempts}"
    facts: dict[str, Any] = {
        "task": ended.spec.name,
        "task_id": ended.task_id,
        "attempt": ended.tries.attempt,
        "attempts": policy.max_attempts,
        "seconds": round(seconds, 3),
    }
    if ended.is_redelivered:
        line += " (its message came again)"
        facts["redelivered"] = True
    match ended.outcome:
        case Succeeded():
            facts["outcome"] = "succeeded"
            _write(f"{line} succeeded in {seconds:.3f} s", facts)
        case RetryIn(seconds=wait, error=error, counts=True):
            facts |= {"outcome": "retry", "next_wait": round(wait, 3), "error": type_name(error)}
            _logger.warning(
                "%s failed in %.3f s, again in %.1f s: %s: %s",
                line, seconds, wait, type_name(error), message_of(error),
                extra={"fw": facts},
            )  # fmt: skip
        case RetryIn(seconds=wait):
            facts |= {"outcome": "later", "next_wait": round(wait, 3)}
            _logger.info("%s asked to run later, again in %.1f s", line, wait, extra={"fw": facts})
        case GaveUp(error=error, reason=reason):
            facts |= {"outcome": "failed", "reason": reason, "error": type_name(error)}
            _logger.error(
                "%s failed in %.3f s, given up (%s): %s: %s",
                line, seconds, reason, type_name(error), message_of(error),
                exc_info=error if error.__traceback__ else None,
                extra={"fw": facts},
            )  # fmt: skip
