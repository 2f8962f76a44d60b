"""One line an attempt, for people or as JSON; the task's id on every line that its code logs."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from functools import lru_cache
from types import TracebackType
from typing import Any

from celery import signals

from fw_core.attempt.current import attempt_or_none
from fw_core.attempt.failure import own_part
from fw_core.settings import Settings
from fw_worker import celery_lines


def configure(settings: Settings) -> None:
    """Write the log to standard error in the form that the settings ask for.

    Celery's own configuration is switched off, and its lines about each task with it: the
    attempt's own line says it all.
    """
    signals.setup_logging.connect(_keep_ours, weak=False)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(settings))
    handler.addFilter(celery_lines.InPlainWords())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    celery_lines.tame(handler)


def formatter(settings: Settings) -> logging.Formatter:
    """The form of a line that the settings ask for."""
    return JsonFormatter() if settings.log_format == "json" else HumanFormatter()


def say_at_once(message: str) -> None:
    """Write a line where logging could block itself: in a signal handler."""
    record = logging.LogRecord("fw.worker", logging.INFO, __file__, 0, message, (), None)
    for handler in logging.getLogger().handlers[:1]:
        os.write(2, (handler.format(record) + "\n").encode())


def _keep_ours(**_: Any) -> None:
    """Its presence tells Celery that logging is configured."""


class HumanFormatter(logging.Formatter):
    """Time, level, text, and the task's id in brackets."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback below it where there is one."""
        context = _context(record)
        message = record.getMessage()
        if "outcome" in context:  # the one line of an attempt; an error's text may have several
            message = " ".join(message.split("\n"))
        line = f"{_clock(int(record.created))} {record.levelname:<7} {message}"
        if task_id := context.get("task_id"):
            line += f" [{task_id}]"
        if record.exc_info:
            line += "\n" + self.formatException(_own_part(record.exc_info))
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line with stable keys.

    Always: time (UTC), level, logger, message. While a task runs: task, task_id, attempt. On the
    line of an attempt also: attempts, seconds, outcome (succeeded, retry, later, failed), and
    next_wait, error, reason where they apply. traceback where there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """time, level, logger, message, then what is known of the task."""
        fields: dict[str, Any] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}"
            f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_context(record),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(_own_part(record.exc_info))
        return json.dumps(fields, ensure_ascii=False, default=str)


@lru_cache(maxsize=1)
def _clock(seconds: int) -> str:
    """The time of day of a second, which many lines share."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))


_Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def _own_part(raised: _Raised) -> _Raised:
    kind, error, trace = raised
    if kind is None or error is None:
        return raised
    return kind, error, own_part(trace)


def _context(record: logging.LogRecord) -> dict[str, Any]:
    facts = getattr(record, "fw", None)
    if isinstance(facts, dict):
        return facts
    attempt = attempt_or_none()
    if attempt is None:
        return {}
    return {"task": attempt.task, "task_id": attempt.task_id, "attempt": attempt.number}
