"""A message as it came from the broker, and the call in it where there is one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Self, cast

from kombu import serialization
from kombu.utils.json import dumps

from fw_core.headers import UNSETTLED
from fw_worker.raw import Raw

_ACCEPTED = frozenset({"application/json"})


@dataclass(frozen=True, kw_only=True, slots=True)
class RawMessage:
    """A message, byte for byte.

    Attributes:
        routing_key: The last one it was sent by: the name of its queue on the broker.
    """

    body: bytes
    headers: dict[str, Any]
    properties: dict[str, Any]
    content_type: str | None
    content_encoding: str | None
    routing_key: str

    @classmethod
    def of(cls, message: Any) -> Self:
        """Take over what kombu received."""
        headers = dict(message.headers or {})
        headers.pop(UNSETTLED, None)
        if not message.errors:  # kombu has unpacked it
            headers.pop("compression", None)
        properties = dict(message.properties or {})
        for name in ("application_headers", "content_type", "content_encoding"):
            properties.pop(name, None)
        return cls(
            body=_bytes(message.body, message.content_encoding),
            headers=headers,
            properties=properties,
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            routing_key=str((message.delivery_info or {}).get("routing_key") or ""),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A call as its message states it.

    Attributes:
        facts: What Celery knows of a call: its headers, or the body in Celery's first protocol.
        embed: What follows from the call: callbacks, errbacks, chain, chord.
        is_first_protocol: Whether the body holds the facts.
    """

    task_id: str
    task_name: str
    args: list[Any]
    kwargs: dict[str, Any]
    facts: dict[str, Any]
    embed: dict[str, Any]
    is_first_protocol: bool = False

    @property
    def arguments(self) -> str:
        """The arguments as JSON text."""
        text: str = dumps({"args": self.args, "kwargs": self.kwargs})
        return text


def named_call(raw: RawMessage | Raw) -> Call | None:
    """The call that a message names, without arguments where they cannot be read.

    Somebody may wait for the result of a message that no worker can read.
    """
    call = read_call(raw)
    task_id = raw.headers.get("id")
    if call is not None or not task_id:
        return call
    return Call(
        task_id=str(task_id),
        task_name=str(raw.headers.get("task") or ""),
        args=[],
        kwargs={},
        facts=raw.headers,
        embed={},
    )


def read_call(raw: RawMessage | Raw) -> Call | None:
    """The call in a message; None where no worker could read one."""
    try:
        payload = serialization.loads(
            raw.body, raw.content_type, raw.content_encoding, accept=_ACCEPTED
        )
    except Exception:  # noqa: BLE001 - foreign bytes can break a decoder in any way
        return None
    embed: Any = None
    facts: dict[str, Any] = raw.headers
    is_first = isinstance(payload, dict)
    if is_first:
        given = cast("dict[str, Any]", payload)
        facts = embed = {**raw.headers, **given}
        args, kwargs = given.get("args"), given.get("kwargs")
    elif isinstance(payload, (list, tuple)) and len(cast("list[Any]", payload)) == 3:
        args, kwargs, embed = cast("list[Any]", payload)
    else:
        return None
    task_id, task_name = facts.get("id"), facts.get("task")
    if not (isinstance(args, (list, tuple)) and isinstance(kwargs, dict)):
        return None
    if not (task_id and isinstance(task_name, str)):
        return None
    return Call(
        task_id=str(task_id),
        task_name=task_name,
        args=list(cast("list[Any]", args)),
        kwargs=cast("dict[str, Any]", kwargs),
        facts=facts,
        embed=cast("dict[str, Any]", embed) if isinstance(embed, dict) else {},
        is_first_protocol=is_first,
    )


def _bytes(body: Any, encoding: str | None) -> bytes:
    if not isinstance(body, str):
        return bytes(body or b"")
    with contextlib.suppress(LookupError, UnicodeError):
        return body.encode(encoding or "utf-8")
    return body.encode("utf-8", "surrogatepass")
