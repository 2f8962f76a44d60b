"""What happens, as rows: one recorder for every engine, from the framework's own hooks.

In a worker process this module is one of ``FW_TASK_MODULES`` and appends its rows to a file; in
the tests' process :func:`recording` gives them to a function.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from celery import signals
from kombu.utils.json import dumps

from fw_core.attempt.failure import message_of, type_name
from fw_core.attempt.outcome import GaveUp, RetryIn, Succeeded
from fw_core.headers import LATERS
from fw_worker.attempts import tries_of
from fw_worker.ended import Ended, listening

JOURNAL = "FW_SCENARIO_JOURNAL"
"""The variable that tells a worker process its journal."""

Row = dict[str, Any]

playing: list[str] = []
"""The scenario whose calls are being made in this process, if any."""

_writers: list[Callable[[Row], None]] = []


def append_to(path: str) -> Callable[[Row], None]:
    """Add rows to a file; one short append is atomic, whoever else writes."""

    def write(row: Row) -> None:
        journal = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(journal, (json.dumps(row) + "\n").encode())
        finally:
            os.close(journal)

    return write


@contextmanager
def recording(write: Callable[[Row], None]) -> Iterator[None]:
    """Give a row to ``write`` for all that happens in this process until the block ends."""

    def sent(sender: str, headers: Any, body: Any, routing_key: str, **_: Any) -> None:
        if headers.get("retries") or headers.get(LATERS):
            return  # the same call again: its attempt has said so
        args, kwargs, embed = body
        write(
            {
                "kind": "sent",
                "scenario": playing[-1] if playing else None,
                "id": headers["id"],
                "task": sender,
                "args": plain(list(args)),
                "kwargs": plain(dict(kwargs)),
                "queue": routing_key,
                "parent": headers.get("parent_id"),
                "root": headers.get("root_id"),
                "joins": bool(embed.get("chord")),
                "delayed": bool(headers.get("eta")),
                "expires": bool(headers.get("expires")),
                "priority": priorities.pop(headers["id"], None),
            }
        )

    priorities: dict[str, Any] = {}

    def about_to_send(headers: Any, properties: Any, **_: Any) -> None:
        if properties.get("priority"):
            priorities[headers["id"]] = properties["priority"]

    def started(sender: Any, task_id: str, args: Any, kwargs: Any, **_: Any) -> None:
        write(
            {
                "kind": "started",
                "id": task_id,
                "task": sender.name,
                "args": plain(list(args)),
                "kwargs": plain(dict(kwargs)),
                "attempt": tries_of(sender.request).attempt,
            }
        )

    def ended(ended: Ended) -> None:
        row: Row = {
            "kind": "ended",
            "id": ended.task_id,
            "task": ended.spec.name,
            "attempt": ended.tries.attempt,
            "again": ended.is_redelivered,
        }
        match ended.outcome:
            case Succeeded(value=value):
                row |= {"outcome": "succeeded", "value": plain(value)}
            case RetryIn(stated=stated, error=error, counts=counts):
                row |= {"outcome": "retry" if counts else "later", "wait": stated}
                row["error"] = _shown(error)
            case GaveUp(error=error):
                row |= {"outcome": "failed", "error": _shown(error)}
        write(row)

    with ExitStack() as stack:
        _writers.append(write)
        stack.callback(_writers.remove, write)
        for signal, receiver in (
            (signals.before_task_publish, about_to_send),
            (signals.after_task_publish, sent),
            (signals.task_prerun, started),
        ):
            signal.connect(receiver, weak=False)
            stack.callback(signal.disconnect, receiver)
        stack.enter_context(listening(ended))
        yield


def watch(name: str, id: str) -> None:
    """Let the result of a call that is never sent be seen: its block is called ``name``."""
    _writers[-1]({"kind": "watched", "scenario": playing[-1], "id": id, "name": name})


def plain(value: Any) -> Any:
    """A value as the wire carries it."""
    return json.loads(dumps(value))


def _shown(error: BaseException) -> str:
    return f"{type_name(error)}: {message_of(error)}"


if JOURNAL in os.environ:
    _for_the_life_of_the_process = ExitStack()
    _for_the_life_of_the_process.enter_context(recording(append_to(os.environ[JOURNAL])))
