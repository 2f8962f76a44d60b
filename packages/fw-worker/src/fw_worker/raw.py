"""A call as it travels: what of a message is sent again when it has to go another way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from kombu import serialization

from fw_core.broker.amqp import BROKER_DEATH_HEADERS

_PROPERTIES = frozenset(
    {"correlation_id", "reply_to", "message_id", "priority", "timestamp", "type", "app_id"}
)

_HEADERS = (
    "lang", "task", "id", "shadow", "eta", "expires", "group", "group_index", "retries",
    "timelimit", "root_id", "parent_id", "argsrepr", "kwargsrepr", "origin", "ignore_result",
    "replaced_task_nesting", "stamped_headers", "stamps",
)  # fmt: skip
"""Those of a task message (Celery, "Message Protocol", version 2)."""

_EMBEDDED = ("callbacks", "errbacks", "chain", "chord")


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw:
    """A message without what the broker wrote on it.

    Attributes:
        body: Its bytes or its text.
        content_type: How they are to be read.
        content_encoding: How they are to be decoded.
        headers: What the sender wrote.
        properties: What is kept of AMQP's.
        queue: The name on the broker of the queue that it came from.
    """

    body: Any
    content_type: str
    content_encoding: str
    headers: dict[str, Any]
    properties: dict[str, Any]
    queue: str

    @classmethod
    def of_message(cls, message: Any) -> Self:
        """What was delivered."""
        delivery = message.delivery_info or {}
        return cls(
            body=message.body,
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            headers=own_headers(message.headers or {}),
            properties=own_properties(message.properties or {}),
            queue=str(delivery.get("routing_key") or ""),
        )

    @classmethod
    def of_request(cls, request: Any) -> Self:
        """What was delivered, put together again where only Celery's request of it is left."""
        known = vars(request)
        embedded = {name: known.get(name) for name in _EMBEDDED}
        payload = (request.args, request.kwargs, embedded)
        *_, body = serialization.dumps(payload, "json")
        headers = {name: known[name] for name in _HEADERS if name in known}
        delivery = request.delivery_info or {}
        return cls(
            body=body,
            content_type="application/json",
            content_encoding="utf-8",
            headers=own_headers({**headers, **(request.headers or {})}),
            properties=own_properties(request.properties or {}),
            queue=str(delivery.get("routing_key") or ""),
        )


def own_headers(headers: dict[str, Any]) -> dict[str, Any]:
    """The headers of a message without those that the broker added."""
    return {name: value for name, value in headers.items() if name not in BROKER_DEATH_HEADERS}


def own_properties(properties: dict[str, Any]) -> dict[str, Any]:
    """The properties of a message that it keeps when it is sent on."""
    return {name: value for name, value in properties.items() if name in _PROPERTIES}
