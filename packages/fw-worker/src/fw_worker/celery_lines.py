"""What Celery itself logs, in the words of fw: operators need not know what carries the messages.

Each line is known by its logger and its format string, which Celery has kept for years. One that
is not known here goes through as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fw_core.errors import FrameworkError

_SILENT = ("celery.app.trace", "celery.worker.strategy", "celery.worker.request")
"""They tell of every task; the attempt's own line says it all."""

_POOL = "multiprocessing"  # billiard's name for its logger

Translation = Callable[[tuple[Any, ...]], "tuple[int, str] | None"]


def tame(handler: logging.Handler) -> None:
    """Stop the lines about each task and each step of a migration; take those of the pool.

    Args:
        handler: What writes the log. The pool's logger never passes its lines on to the root.
    """
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    pool = logging.getLogger(_POOL)
    pool.handlers[:] = [handler]
    pool.propagate = False
    pool.setLevel(logging.WARNING)


class InPlainWords(logging.Filter):
    """Rewrites the lines that are known, and drops those that say nothing to an operator."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite ``record``; False drops it."""
        if record.name == "py.warnings" and _ADVICE in record.getMessage():
            return False
        translate = _LINES.get((record.name, str(record.msg)))
        if translate is None:
            return True
        args = record.args if isinstance(record.args, tuple) else ()
        try:
            line = translate(args)
        except (IndexError, TypeError, ValueError):  # a later Celery gives other arguments
            return True
        if line is None:
            return False
        record.levelno, record.msg = line
        if record.exc_info and isinstance(record.exc_info[1], FrameworkError):
            record.exc_info = None  # its text says it all
        record.levelname = logging.getLevelName(record.levelno)
        record.args = ()
        record.name = "fw.worker"
        return True


def _connected(args: tuple[Any, ...]) -> tuple[int, str]:
    return logging.INFO, f"Connected to the broker {_masked(args[0])}"


def _ready(args: tuple[Any, ...]) -> tuple[int, str]:
    return logging.INFO, "Ready: waiting for messages"


def _lost(args: tuple[Any, ...]) -> tuple[int, str]:
    return logging.WARNING, (
        f"The connection to the broker was lost ({_one_line(args[1])}); connecting again"
    )


def _process_ended(args: tuple[Any, ...]) -> tuple[int, str]:
    _, pid, status = args
    return (
        logging.ERROR,
        f"The process {pid}, which runs tasks, {_ended(str(status))}; another one takes its place",
    )


def _unrecoverable(args: tuple[Any, ...]) -> tuple[int, str]:
    error = args[0]
    shown = str(error) if isinstance(error, FrameworkError) else repr(error)
    return logging.CRITICAL, f"The worker stops, because it cannot go on: {shown}"


def _nothing(args: tuple[Any, ...]) -> None:
    return None


_ADVICE = "CPendingDeprecationWarning"
"""For whoever sets up Celery, given at a lost connection; fw has set it up."""

_AUTO = "worker_concurrency='auto' resolved to %d (pool=%s, %s, available cpus=%d)."
_AUTO_OTHER_POOL = (
    "worker_concurrency='auto' only sizes the prefork pool; using available cpus=%d for pool=%s."
)
_NO_REDUCTION = (
    "Skipping prefetch count reduction after connection restart because per-consumer QoS "
    "(apply_global=False) is in effect and broker-side prefetch updates would not reach the "
    "running consumer."
)

_LINES: dict[tuple[str, str], Translation] = {
    ("celery.worker.consumer.connection", "Connected to %s"): _connected,
    ("celery.apps.worker", "%s ready."): _ready,
    ("celery.worker.consumer.consumer", "%s (%r)"): _lost,
    (_POOL, "Process %r pid:%r exited with %r"): _process_ended,
    ("celery.worker", "Unrecoverable error: %r"): _unrecoverable,
    ("celery.worker.consumer.tasks", "Global QoS is disabled. Prefetch count is now static."): (
        _nothing
    ),
    ("celery.worker", _AUTO_OTHER_POOL): _nothing,
    ("celery.worker", _AUTO): _nothing,
    ("celery.worker.consumer.consumer", _NO_REDUCTION): _nothing,
}


def _masked(url: Any) -> str:
    # kombu writes ** for a password; fw writes *** everywhere.
    return str(url).replace(":**@", ":***@")


def _one_line(error: Any) -> str:
    text = str(error) or type(error).__name__
    return " ".join(text.split())


def _ended(status: str) -> str:
    """Make words of what the pool says: ``signal 9 (SIGKILL)``, ``exitcode 1``."""
    kind, _, what = status.partition(" ")
    if kind == "signal":
        return f"was killed by {what.partition('(')[2].rstrip(')') or status}"
    return f"ended with {status}"
