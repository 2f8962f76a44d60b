"""Several messages in one transaction, for ``kombu.Producer.batch()``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import amqp

    from fw_core.broker.local.channel import Channel


class Batch:
    """Messages that wait to be published together.

    Args:
        channel: Publishes them.
        max_size: Publish by itself when so many are waiting.
    """

    def __init__(self, channel: Channel, *, max_size: int) -> None:
        self.channel = channel
        self._max_size = max_size
        self._waiting: list[tuple[amqp.Message, str, str, bool]] = []

    def publish(
        self,
        message: amqp.Message,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        **_: Any,
    ) -> None:
        """Add a message; nothing is stored until ``flush``."""
        self._waiting.append((message, exchange or "", routing_key or "", bool(mandatory)))
        if len(self._waiting) >= self._max_size:
            self.flush()

    def flush(self) -> None:
        """Store what is waiting, all or none."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self.channel.publish_all(waiting)

    def discard(self) -> None:
        """Drop what is waiting."""
        self._waiting = []

    def close(self) -> None:
        """Drop what is waiting."""
        self.discard()
