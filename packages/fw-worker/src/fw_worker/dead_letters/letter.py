"""A dead letter as it is kept: one row of ``fw_dead_letters``, safe to store whatever came."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from kombu.utils.json import dumps

from fw_core.attempt.failure import MESSAGE_BYTES, TRACEBACK_BYTES, cut_end, cut_middle
from fw_worker.dead_letters.death import Death, tries_to_header
from fw_worker.dead_letters.raw_message import Call, RawMessage

_NAME_BYTES = 500  # an index of PostgreSQL takes 2,700
_MOST_ATTEMPTS = 2**31 - 1
_COUNTED_BY_BROKER = frozenset({"x-delivery-count", "x-acquired-count"})


class State(StrEnum):
    """What has become of a dead letter."""

    DEAD = "dead"
    """It waits for a decision."""
    REPLAYING = "replaying"
    """It is being sent again; or that was begun and broken off."""
    REPLAYED = "replayed"
    """It was sent again."""
    DISCARDED = "discarded"
    """Somebody decided that it is not needed, and said why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """One row of ``fw_dead_letters``; the names are those of its columns."""

    dead_id: str
    state: str
    state_at: datetime
    cause: str
    reason: str
    error_type: str
    error_message: str
    attempts: int
    tries: str
    died_at: datetime
    collected_at: datetime
    headers: str
    properties: str
    body: bytes
    note: str | None = None
    replay_id: str | None = None
    task_id: str | None = None
    task_name: str | None = None
    queue: str | None = None
    traceback: str | None = None
    arguments: str | None = None
    worker: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None

    def values(self) -> dict[str, Any]:
        """The row as a statement takes it."""
        return asdict(self)

    def brief(self) -> DeadLetter:
        """The same without what can be large: a report of many must fit into memory."""
        return replace(
            self,
            body=b"",
            headers="{}",
            properties="{}",
            tries="[]",
            traceback=None,
            arguments=None,
        )

    @property
    def name(self) -> str:
        """How people call it."""
        return self.task_name or "(no call)"


def letter_of(
    raw: RawMessage, call: Call | None, death: Death, *, now: datetime, note: str = ""
) -> DeadLetter:
    """Make the row of a message that died.

    Args:
        raw: The message.
        call: The call in it, if it can be read.
        death: How it ended.
        now: The time.
        note: What could not be done for it.
    """
    task_id = raw.headers.get("id") if call is None else call.task_id
    task_name = raw.headers.get("task") if call is None else call.task_name
    return DeadLetter(
        dead_id=dead_id(raw),
        state=State.DEAD,
        state_at=now,
        note=_text(note, MESSAGE_BYTES) or None,
        task_id=_text(task_id) or None,
        task_name=_text(task_name) or None,
        queue=_text(death.queue) or None,
        cause=_text(death.cause.value),
        reason=_text(death.reason),
        error_type=_text(death.error.type),
        error_message=_text(death.error.message, MESSAGE_BYTES),
        traceback=cut_middle(str(death.error.traceback), TRACEBACK_BYTES) or None,
        attempts=_count(death.attempts),
        tries=tries_to_header(death.tries),
        arguments=None if call is None else call.arguments,
        worker=_text(death.worker) or None,
        died_at=_with_zone(death.at),
        collected_at=now,
        headers=_json(raw.headers),
        properties=_json(raw.properties),
        content_type=_text(raw.content_type) or None,
        content_encoding=_text(raw.content_encoding) or None,
        body=raw.body,
    )


def dead_id(raw: RawMessage) -> str:
    """What tells a dead letter from others: its message's id, or what its content comes to.

    Delivered again it must have the same, so what the broker counts is left out of the content.
    """
    given = raw.properties.get("message_id")
    if given:
        return _text(given)
    headers = {k: v for k, v in raw.headers.items() if k not in _COUNTED_BY_BROKER}
    return content_id(f"{raw.content_type}\0{_json(headers)}", raw.body)


def content_id(known: str | None, body: bytes) -> str:
    """The same for the same content, where a message's own id cannot tell them apart."""
    digest = hashlib.sha256((known or "").encode("utf-8", "backslashreplace") + b"\0" + body)
    return f"sha256-{digest.hexdigest()[:40]}"


def _json(values: dict[str, Any]) -> str:
    try:
        text: str = dumps(values)
    except (TypeError, ValueError):  # AMQP knows types that JSON does not
        text = json.dumps(values, default=str)
    return text


def _text(value: Any, limit: int = _NAME_BYTES) -> str:
    return "" if value is None else cut_end(str(value), limit)


def _count(value: Any) -> int:
    return min(value, _MOST_ATTEMPTS) if isinstance(value, int) and value > 0 else 0


def _with_zone(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
