"""Reads what the broker sends in large pieces; py-amqp reads each frame in three.

Only where the event loop says that something is there: whoever waits for an answer reads on its
own, exactly what it needs, from the same buffer.
"""

from __future__ import annotations

from typing import Any

from amqp.exceptions import RecoverableConnectionError
from amqp.transport import TCPTransport

from fw_core.broker import frames


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
        handle = self._connection.on_inbound_frame
        while frame := frames.take(transport):
            handle(frame)
            if not self._connection.connected:  # what was in it has closed it
                return
