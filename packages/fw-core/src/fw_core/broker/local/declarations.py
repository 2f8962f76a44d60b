"""What a channel declares: the AMQP methods for exchanges, queues and bindings."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from amqp.exceptions import ChannelError, NotFound, PreconditionFailed
from amqp.protocol import queue_declare_ok_t
from kombu.transport import base

from fw_core.broker.local.topology import KINDS, MissingError, UnequalError

if TYPE_CHECKING:
    from fw_core.broker.local.transport import Transport

_kombu: Any = base  # kombu does not annotate its functions
_prepare: Callable[..., Mapping[str, Any]] = _kombu.to_rabbitmq_queue_arguments


class DeclaringChannel(base.StdChannel):  # type: ignore[misc]
    """The half of a channel that shapes the topology.

    Attributes:
        connection: Whose channel it is.
    """

    connection: Transport

    def exchange_declare(
        self,
        exchange: str = "",
        type: str = "direct",
        durable: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, Any] | None = None,
        nowait: bool = False,
        passive: bool = False,
    ) -> None:
        """Declare an exchange, or with ``passive`` check that it exists."""
        kind = type or "direct"
        name = exchange or f"amq.{kind}"
        if passive:
            if not self.connection.store.has_exchange(name):
                raise not_found(MissingError("exchange", name), (40, 10))
            return
        if kind not in KINDS:
            raise ChannelError(f"invalid exchange type {kind!r}", (40, 10), reply_code=503)
        try:
            self.connection.store.declare_exchange(
                name,
                kind=kind,
                durable=bool(durable),
                auto_delete=bool(auto_delete),
                arguments=arguments,
            )
        except UnequalError as error:
            raise PreconditionFailed(f"PRECONDITION_FAILED - {error}", (40, 10)) from error

    def exchange_delete(self, exchange: str, if_unused: bool = False, nowait: bool = False) -> None:
        """Delete an exchange with its bindings."""
        self.connection.store.delete_exchange(exchange, only_unused=bool(if_unused))

    def queue_declare(
        self,
        queue: str = "",
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = True,
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> queue_declare_ok_t:
        """Declare a queue, or with ``passive`` check that it exists; return its counts."""
        name = queue or f"amq.gen-{uuid.uuid4()}"
        try:
            if not passive:
                self.connection.store.declare_queue(
                    name,
                    durable=bool(durable),
                    auto_delete=bool(auto_delete),
                    exclusive_owner=self.connection.owner if exclusive else None,
                    arguments=arguments,
                )
            ready, listeners = self.connection.store.size(name)
        except UnequalError as error:
            raise PreconditionFailed(f"PRECONDITION_FAILED - {error}", (50, 10)) from error
        except MissingError as error:
            raise not_found(error, (50, 10)) from error
        return queue_declare_ok_t(name, ready, listeners)

    def prepare_queue_arguments(
        self, arguments: Mapping[str, Any], **options: Any
    ) -> Mapping[str, Any]:
        """Return kombu's queue options as RabbitMQ arguments, so that one declaration serves."""
        return _prepare(arguments, **options)

    def queue_delete(
        self,
        queue: str,
        if_unused: bool = False,
        if_empty: bool = False,
        nowait: bool = False,
        **_: Any,
    ) -> int:
        """Delete a queue; return how many ready messages went with it."""
        return self.connection.store.delete_queue(
            queue, only_unused=bool(if_unused), only_empty=bool(if_empty)
        )

    def queue_bind(
        self,
        queue: str,
        exchange: str = "",
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Bind a queue to an exchange."""
        try:
            self.connection.store.bind(
                queue, exchange=exchange or "amq.direct", key=routing_key or ""
            )
        except MissingError as error:
            raise not_found(error, (50, 20)) from error

    def queue_unbind(
        self,
        queue: str,
        exchange: str = "",
        routing_key: str = "",
        nowait: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Take a binding away."""
        self.connection.store.unbind(
            queue, exchange=exchange or "amq.direct", key=routing_key or ""
        )

    def queue_purge(self, queue: str, nowait: bool = False, **_: Any) -> int:
        """Remove the ready messages of a queue; return how many there were."""
        try:
            return self.connection.store.purge(queue)
        except MissingError as error:
            raise not_found(error, (50, 30)) from error


def not_found(error: MissingError, method: tuple[int, int]) -> NotFound:
    """Return AMQP's error for a missing exchange or queue."""
    return NotFound(f"NOT_FOUND - {error} in vhost '/'", method)
