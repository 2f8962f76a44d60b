"""Reads what the broker sends in large pieces; py-amqp reads each frame in three.

Only where the event loop says that something is there: whoever waits for an answer reads on its
own, exactly what it needs, from the same buffer.
"""

from __future__ import annotations

import os
import socket
from struct import Struct
from typing import Any

from amqp.exceptions import RecoverableConnectionError, UnexpectedFrame
from amqp.transport import TCPTransport

_HEAD = Struct(">BHI")
"""AMQP 0-9-1, 2.3.5: type, channel, size of the payload; an octet 0xCE follows that."""

_FRAME_END = 0xCE
_ONE_READ = 16 * 1024
"""Bytes taken in a turn of the event loop: some twenty messages, then others have theirs."""


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
            data = _read_now(transport.sock)
        except (BlockingIOError, InterruptedError):
            return
        if not data:
            raise OSError("the broker closed the connection")
        transport._read_buffer += data
        handle = self._connection.on_inbound_frame
        while frame := _take_frame(transport):
            handle(frame)
            if not self._connection.connected:  # what was in it has closed it
                return


def _read_now(sock: Any) -> bytes:
    """What is there, without waiting for it.

    Raises:
        BlockingIOError: nothing is.
    """
    if sock.gettimeout():  # Python would wait that long; the descriptor itself never does then
        return os.read(sock.fileno(), _ONE_READ)
    data: bytes = sock.recv(_ONE_READ, socket.MSG_DONTWAIT)
    return data


def _take_frame(transport: Any) -> tuple[int, int, bytes] | None:
    """The first frame in the buffer, if it is complete."""
    buffer = transport._read_buffer
    if len(buffer) < _HEAD.size:
        return None
    kind, channel, size = _HEAD.unpack_from(buffer)
    end = _HEAD.size + size
    if len(buffer) <= end:
        return None
    if buffer[end] != _FRAME_END:
        raise UnexpectedFrame(f"a frame ends with {buffer[end]:#x}, not {_FRAME_END:#x}")
    transport._read_buffer = buffer[end + 1 :]
    return kind, channel, buffer[_HEAD.size : end]
