"""A dead letter as facts that can be printed."""

from __future__ import annotations

import base64
from typing import Any

from fw_core.results.rows import decode
from fw_worker.dead_letters.death import tries_from_header
from fw_worker.dead_letters.letter import DeadLetter


def summary(letter: DeadLetter) -> dict[str, Any]:
    """What a list shows."""
    return {
        "id": letter.dead_id,
        "call": letter.task_id,
        "task": letter.task_name,
        "queue": letter.queue,
        "state": letter.state,
        "cause": letter.cause,
        "reason": letter.reason,
        "error": {"type": letter.error_type, "message": letter.error_message},
        "attempts": letter.attempts,
        "died_at": letter.died_at,
    }


def everything(letter: DeadLetter) -> dict[str, Any]:
    """All that is known of one."""
    call = decode(letter.arguments)
    return {
        **summary(letter),
        "arguments": call,
        "tries": [
            {"attempt": each.number, "at": each.at, "error": each.error, "worker": each.worker}
            for each in tries_from_header(letter.tries)
        ],
        "traceback": letter.traceback,
        "worker": letter.worker,
        "collected_at": letter.collected_at,
        "state_at": letter.state_at,
        "note": letter.note,
        "replayed_as": letter.replay_id,
        "headers": decode(letter.headers),
        "properties": decode(letter.properties),
        "content_type": letter.content_type,
        "content_encoding": letter.content_encoding,
        "body": _body(letter.body),
    }


def _body(body: bytes) -> Any:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
