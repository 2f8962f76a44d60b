"""A store as a kombu channel: how messages go in and out under AMQP's names and errors."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import amqp
from amqp.exceptions import ChannelError
from kombu.message import Message

from fw_core.broker.local.batch import Batch
from fw_core.broker.local.declarations import DeclaringChannel, not_found
from fw_core.broker.local.inbox import Inbox, Subscription
from fw_core.broker.local.message import to_draft, to_message
from fw_core.broker.local.records import Letter
from fw_core.broker.local.topology import MissingError

if TYPE_CHECKING:
    from fw_core.broker.local.transport import Transport

_NO_ROUTE = 312  # AMQP 0-9-1: the reply code of basic.return for an unroutable message


class Channel(DeclaringChannel):
    """One channel of a connection.

    Attributes:
        events: ``events["basic_return"]`` holds what to call with ``(exception, exchange,
            routing_key, message)`` when a mandatory message reaches no queue.
    """

    supports_batch_publish = True

    def __init__(self, connection: Transport, number: int) -> None:
        self.connection = connection
        self.channel_id = number
        self.closed = False
        self.events: defaultdict[str, set[Callable[..., object]]] = defaultdict(set)
        self.no_ack_consumers: Any = set()  # kombu annotates it as None
        self.store = connection.store
        self.inbox = Inbox(self.store)

    @property
    def is_open(self) -> bool:
        """Whether the channel may be used."""
        return not self.closed

    # Messages in.

    def prepare_message(
        self,
        body: bytes | str,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> amqp.Message:
        """Return the message in py-amqp's form, which is also what a returned one looks like."""
        new: Any = amqp.Message
        message: amqp.Message = new(
            body,
            priority=priority,
            content_type=content_type,
            content_encoding=content_encoding,
            application_headers=headers,
            **(properties or {}),
        )
        return message

    def basic_publish(
        self,
        message: amqp.Message,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        **_: Any,
    ) -> None:
        """Publish a message; it is stored when this returns."""
        self.publish_all([(message, exchange or "", routing_key or "", bool(mandatory))])

    def publish_all(self, messages: list[tuple[amqp.Message, str, str, bool]]) -> None:
        """Publish ``(message, exchange, routing key, mandatory)``, all or none."""
        letters = [Letter(to_draft(message), to, key) for message, to, key, _ in messages]
        try:
            reached = self.store.publish_all(letters)
        except MissingError as error:
            raise not_found(error, (60, 40)) from error
        for (message, exchange, key, mandatory), count in zip(messages, reached, strict=True):
            if mandatory and not count:
                self._return(message, exchange, key)

    def create_publish_batch(self, max_size: int = 1000) -> Batch:
        """Return what collects messages and publishes them in one transaction."""
        return Batch(self, max_size=max_size)

    def _return(self, message: amqp.Message, exchange: str, key: str) -> None:
        returned = ChannelError("NO_ROUTE", (60, 50), reply_code=_NO_ROUTE)
        handlers = list(self.events["basic_return"])
        if not handlers:
            raise returned
        for handler in handlers:
            handler(returned, exchange, key, message)

    # Messages out.

    def basic_consume(
        self,
        queue: str = "",
        no_ack: bool = False,
        callback: Callable[[Any], object] | None = None,
        consumer_tag: str = "",
        **_: Any,
    ) -> str:
        """Hand the queue's messages to ``callback`` whenever the connection is drained."""
        if callback is None:
            raise TypeError("basic_consume() needs a callback")
        tag = consumer_tag or f"ctag-{uuid.uuid4()}"
        try:
            self.connection.listen(queue, self._tag(tag))
        except MissingError as error:
            raise not_found(error, (60, 20)) from error
        self.inbox.subscriptions[tag] = Subscription(tag, queue, callback, bool(no_ack))
        if no_ack:
            self.no_ack_consumers.add(tag)
        self.connection.ring()
        return tag

    def basic_cancel(self, consumer_tag: str, **_: Any) -> None:
        """Stop what ``basic_consume`` began; what was not handed out goes back, uncounted."""
        subscription, waiting = self.inbox.cancel(consumer_tag)
        self.no_ack_consumers.discard(consumer_tag)
        if subscription is None:
            return
        if waiting:
            self.store.give_back(self.connection.owner, waiting)
        self.connection.unlisten(subscription.queue, self._tag(consumer_tag))

    def basic_get(self, queue: str = "", no_ack: bool = False, **_: Any) -> Message | None:
        """Return the next ready message of the queue, or ``None``."""
        claimed = self.store.claim(self.connection.owner, queue, keep=not no_ack)
        if not claimed:
            return None
        if not no_ack:
            self.inbox.keep(claimed[0].id)
        return to_message(claimed[0], self)

    def basic_ack(self, delivery_tag: int, multiple: bool = False, **_: Any) -> None:
        """Settle a message as done."""
        if about := self.inbox.settled(delivery_tag, multiple=multiple):
            self.store.ack(self.connection.owner, about)
            self._made_room()

    def basic_reject(self, delivery_tag: int, requeue: bool = True, **_: Any) -> None:
        """Settle a message as refused: back in line and counted, or a dead letter."""
        self.basic_nack(delivery_tag, requeue=requeue)

    def basic_nack(
        self, delivery_tag: int, multiple: bool = False, requeue: bool = True, **_: Any
    ) -> None:
        """Settle messages as refused: back in line and counted, or dead letters."""
        if about := self.inbox.settled(delivery_tag, multiple=multiple):
            settle = self.store.requeue if requeue else self.store.reject
            settle(self.connection.owner, about)
            self._made_room()

    def basic_recover(self, requeue: bool = False, **_: Any) -> None:
        """Put all unsettled messages back in line, counted."""
        if about := self.inbox.settled(0, multiple=True):
            self.store.requeue(self.connection.owner, about)

    def basic_qos(
        self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False, **_: Any
    ) -> None:
        """Limit how many messages this channel may hold unsettled; 0 lifts the limit."""
        self.inbox.prefetch = prefetch_count or 0
        self._made_room()

    def flow(self, active: bool = True) -> None:
        """Do nothing: the store is always ready."""

    def deliver(self, limit: int) -> int:
        """Hand out up to ``limit`` messages; return how many there were."""
        for done in range(limit):
            if not self.inbox.subscriptions:
                return done
            found = self.inbox.next(self.connection.owner)
            if found is None:
                return done
            subscription, delivery = found
            subscription.callback(to_message(delivery, self, tag=subscription.tag))
        return limit

    def message_to_python(self, raw_message: Message) -> Message:
        """Return ``raw_message``: it is made by ``deliver`` already."""
        return raw_message

    def close(self) -> None:
        """Cancel all, and put back what is not settled, uncounted."""
        if self.closed:
            return
        self.closed = True
        connection = self.connection
        try:
            for tag in list(self.inbox.subscriptions):
                self.basic_cancel(tag)
            if unsettled := self.inbox.empty():
                self.store.give_back(connection.owner, unsettled)
        finally:
            connection.close_channel(self)

    def abandon(self) -> None:
        """Close without settling anything: the connection goes, and puts all back at once."""
        self.closed = True
        self.inbox = Inbox(self.store)

    def _made_room(self) -> None:
        if self.inbox.subscriptions:
            self.connection.ring()

    def _tag(self, tag: str) -> str:
        return f"{self.channel_id}:{tag}"  # tags are a channel's own, listeners an owner's
