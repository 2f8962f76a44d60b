"""What can be known of a death that nobody told: by what the broker wrote on the message.

RabbitMQ writes into ``x-death`` where and why it dead-lettered a message, the latest first
(rabbitmq.com/docs/dlx). A message that found no queue after its wait came through the alternate
exchange, which writes nothing: its latest death is the end of that wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from fw_core.attempt.failure import TaskError, message_of, type_name
from fw_core.attempt.outcome import Cause
from fw_core.broker.topology import DELIVERY_LIMIT, Topology
from fw_core.errors import DeliveredTooOften, Expired
from fw_worker.dead_letters.death import Death
from fw_worker.dead_letters.raw_message import Call, RawMessage


def infer(
    raw: RawMessage,
    call: Call | None,
    *,
    topology: Topology,
    now: datetime,
    is_start: bool = False,
) -> Death:
    """Work out how a message died that says nothing of it itself.

    Args:
        raw: The message.
        call: The call in it, if it can be read.
        topology: The names on the broker.
        now: The time, where the broker told none.
        is_start: Whether it was to start a workflow, and need be no call.
    """
    last = last_death(raw.headers)
    queue = raw.routing_key.removeprefix(topology.prefix)
    name = call.task_name if call is not None else None
    if is_start:
        name = "the start of a workflow"
    cause, reason, error = _end(last, call, name, queue=queue, topology=topology)
    return Death(
        cause=cause,
        reason=reason,
        error=error,
        at=_moment(last.get("time"), now),
        attempts=0,
        queue=queue,
    )


def last_death(headers: Mapping[str, Any]) -> dict[str, Any]:
    """The broker's newest note on a message; empty if it wrote none."""
    listed: Any = headers.get("x-death")
    found: list[Any] = listed if isinstance(listed, list) else []
    notes = [cast("dict[str, Any]", note) for note in found if isinstance(note, dict)]
    # Newer brokers name the last one, whatever the order of the list.
    named = (headers.get("x-last-death-queue"), headers.get("x-last-death-reason"))
    for note in notes:
        if (note.get("queue"), note.get("reason")) == named:
            return note
    return notes[0] if notes else {}


def _end(
    last: Mapping[str, Any], call: Call | None, name: str | None, *, queue: str, topology: Topology
) -> tuple[Cause, str, TaskError]:
    if name is None:
        reason = "it is no call of a task"
        return (
            Cause.UNREADABLE,
            reason,
            TaskError("Unreadable", f"The message in {queue}: {reason}."),
        )
    match last.get("reason"):
        case "delivery_limit":
            too_often = DeliveredTooOften(task=name, times=DELIVERY_LIMIT + 1)
            return Cause.DELIVERED_TOO_OFTEN, "it was delivered too often", _told(too_often)
        case "expired" if topology.is_wait(str(last.get("queue"))):
            reason = f"no queue {queue!r} was there when its wait was over"
            return Cause.UNROUTABLE, reason, TaskError("Unroutable", f"{name}: {reason}.")
        case "expired":
            late = Expired(task=name, expires=str((call and call.facts.get("expires")) or "?"))
            return Cause.EXPIRED, "it stayed in its queue for too long", _told(late)
        case "rejected":
            reason = f"whoever took it from {queue} refused it"
        case "maxlen":
            reason = f"{queue} was full"
        case _:
            reason = "it was sent straight to the dead letters"
    return Cause.REJECTED, reason, TaskError("Rejected", f"{name}: {reason}.")


def _told(error: BaseException) -> TaskError:
    return TaskError(type_name(error), message_of(error))


def _moment(value: Any, otherwise: datetime) -> datetime:
    if not isinstance(value, datetime):
        return otherwise
    return value if value.tzinfo else value.replace(tzinfo=UTC)
