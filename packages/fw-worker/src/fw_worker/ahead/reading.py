"""Reads what the broker sends in large pieces; py-amqp reads each frame in three.

Only where the event loop says that something is there: whoever waits for an answer reads on its
own, exactly what it needs, from the same buffer.
"""

from __future__ import annotations

from typing import Any

from amqp.exceptions import RecoverableConnectionError
from amqp.transport import TCPTransport

from fw_core.broker import frames
from fw_worker.ahead import deliveries


class Reader:
    """Reads one connection to RabbitMQ.

    Args:
        connection: py-amqp's.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @staticmethod
    def can_read(connection: Any) -> bool:
        """Whether it is a plain one; TLS has a buffer of its own, which no event loop sees."""
        return type(getattr(connection, "transport", None)) is TCPTransport

    def on_readable(self) -> None:
        """Take what is there, and handle all that is complete of it.

        Raises:
            OSError: the connection is lost.
        """
        if not self._connection.connected:
            raise RecoverableConnectionError("the connection was closed")
        transport = self._connection.transport
        try:
            data = frames.read_now(transport.sock)
        except (BlockingIOError, InterruptedError):
            return
        if not data:
            raise OSError("the broker closed the connection")
        transport._read_buffer += data
        while self._connection.connected and self._take_first(transport):
            pass  # what was in it may have closed the connection

    def _take_first(self, transport: Any) -> bool:
        """Handle what comes first in the buffer; False: it is not complete."""
        buffer = transport._read_buffer
        found = deliveries.first_of(buffer)
        if found is deliveries.INCOMPLETE:
            return False
        if isinstance(found, deliveries.Delivery) and self._has_taker(found):
            transport._read_buffer = buffer[found.end :]  # who waits for an answer reads on there
            self._connection.bytes_recv += 1  # the broker's heart beats
            self._deliver(found)
            return True
        frame = frames.take(transport)
        if frame is None:
            return False
        self._connection.on_inbound_frame(frame)
        return True

    def _has_taker(self, found: deliveries.Delivery) -> bool:
        channel = self._connection.channels.get(found.channel)
        return channel is not None and found.tag in channel.callbacks

    def _deliver(self, found: deliveries.Delivery) -> None:
        channel = self._connection.channels[found.channel]
        found.message.channel = channel
        channel.callbacks[found.tag](found.message)
