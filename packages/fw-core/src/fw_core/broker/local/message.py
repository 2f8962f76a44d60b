"""A message as py-amqp and kombu know it, and as the store does."""

from __future__ import annotations

from typing import Any

import amqp
from kombu.message import Message

from fw_core.broker.local.records import Delivery, Draft


class LocalMessage(Message):  # type: ignore[misc]
    """A message of the store; unlike kombu's own, something can refer to it weakly."""


_new_message: Any = LocalMessage  # kombu's own constructor is not annotated


def to_draft(message: amqp.Message) -> Draft:
    """Return what the store keeps of a message in py-amqp's form."""
    given: Any = message  # py-amqp does not annotate its attributes
    stated: dict[str, Any] = given.properties
    properties = {name: value for name, value in stated.items() if value is not None}
    headers: dict[str, Any] = properties.pop("application_headers", None) or {}
    body = given.body
    if isinstance(body, str):
        body = body.encode(properties.setdefault("content_encoding", "utf-8"))
    return Draft(body=bytes(body), headers=headers, properties=properties)


def to_message(delivery: Delivery, channel: object, *, tag: str | None = None) -> Message:
    """Return a delivery as kombu's consumers expect it.

    Args:
        delivery: From the store.
        channel: Settles it.
        tag: Of the AMQP consumer that gets it; none if it was fetched by hand.
    """
    properties = delivery.properties
    info: dict[str, Any] = {
        "exchange": delivery.exchange,
        "routing_key": delivery.key,
        "redelivered": delivery.redelivered,
        "delivery_tag": delivery.id,
    }
    if tag is not None:
        info["consumer_tag"] = tag
    message: Message = _new_message(
        body=delivery.body,
        delivery_tag=delivery.id,
        content_type=properties.get("content_type"),
        content_encoding=properties.get("content_encoding"),
        delivery_info=info,
        properties=properties,
        headers=delivery.headers,
        channel=channel,
    )
    return message
