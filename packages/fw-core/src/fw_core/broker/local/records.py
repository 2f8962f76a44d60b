"""The values that travel between the store and whoever uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MessageState = Literal["ready", "delayed", "owned"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A message as a producer hands it over.

    Attributes:
        body: The encoded arguments.
        headers: An AMQP table; ``eta`` (ISO 8601) holds the message back until then.
        properties: AMQP properties; ``priority`` and ``expiration`` (milliseconds) are obeyed.
    """

    body: bytes
    headers: Mapping[str, Any] = field(default_factory=dict[str, Any])
    properties: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Letter:
    """A draft with its address."""

    draft: Draft
    exchange: str
    key: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as a worker gets it.

    Attributes:
        id: What ``ack``, ``reject``, ``requeue`` and ``give_back`` ask for.
        queue: The queue it was taken from.
        exchange: Where it was published.
        key: The routing key it was published with.
        redelivered: Whether it was handed out before.
        returns: How often it came back and counted; also the header ``x-delivery-count``,
            which is absent while this is 0, as on a quorum queue.
    """

    id: int
    queue: str
    exchange: str
    key: str
    headers: dict[str, Any]
    properties: dict[str, Any]
    body: bytes
    redelivered: bool
    returns: int


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue as an operator sees it; a delayed message that is due counts as ready."""

    name: str
    ready: int
    delayed: int
    owned: int
    listeners: int
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message as an operator sees it, wherever it is in its life.

    Attributes:
        due: When it became or becomes ready, in epoch seconds.
        returns: How often it came back and counted towards the delivery limit.
    """

    id: int
    queue: str
    state: MessageState
    due: float
    exchange: str
    key: str
    headers: dict[str, Any]
    properties: dict[str, Any]
    body: bytes
    redelivered: bool
    returns: int
