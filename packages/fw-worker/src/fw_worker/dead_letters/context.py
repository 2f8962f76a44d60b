"""What the result store wants to know of a message: Celery's context, made from a dead letter."""

from __future__ import annotations

from typing import Any

from celery.app.task import Context

from fw_worker.dead_letters.death import Death
from fw_worker.dead_letters.raw_message import Call

_FACTS = (
    "id", "task", "root_id", "parent_id", "group", "group_index", "ignore_result", "reply_to",
    "correlation_id", "replaced_task_nesting", "stamps", "stamped_headers",
)  # fmt: skip
_EMBEDDED = ("callbacks", "errbacks", "chain", "chord")


def context_of(call: Call, death: Death) -> Context:
    """Celery's context of the message that died."""
    known: dict[str, Any] = {name: call.facts[name] for name in _FACTS if name in call.facts}
    known.update((name, call.embed.get(name)) for name in _EMBEDDED)
    return Context(
        {
            **known,
            "id": call.task_id,
            "task": call.task_name,
            # The store adds one for the attempt that is over.
            "retries": max(death.attempts - 1, 0),
            "hostname": (death.worker or "?") if death.attempts else None,
            "headers": {},
            "args": call.args,
            "kwargs": call.kwargs,
            "delivery_info": {"routing_key": death.queue},
            "called_directly": False,
        }
    )
