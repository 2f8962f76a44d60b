"""One channel to RabbitMQ, for messages and their confirms.

What py-amqp does for each message takes longer than the broker's answer. Here a message is one
write, and confirms are read in large pieces; whatever else comes is py-amqp's to understand.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from amqp.exceptions import RecoverableConnectionError
from kombu.transport import pyamqp

from fw_core.broker import frames
from fw_core.broker.patience import bounded

OnConfirm = Callable[[bool, int, bool], None]
"""Told whether messages were taken, up to which, and whether all before it were too."""


class Wire:
    """A channel on which every message is confirmed.

    Confirms are numbered from 1 on each channel (RabbitMQ, "Publisher Confirms").

    Args:
        channel: An open channel of py-amqp's, in confirm mode.
        on_confirm: Told what the broker says of the messages, from inside :meth:`hear`.
    """

    def __init__(self, channel: Any, on_confirm: OnConfirm) -> None:
        self._channel = channel
        self._connection = channel.connection
        self._number: int = channel.channel_id
        self._on_confirm = on_confirm
        self._is_plain = frames.is_plain(self._connection.transport)
        if not self._is_plain:
            channel.events["basic_ack"].add(self._on_ack)
            channel.events["basic_nack"].add(self._on_nack)

    @staticmethod
    def fits(channel: Any) -> bool:
        """Whether a channel leads to RabbitMQ; the local transport stores a message at once."""
        return isinstance(channel, pyamqp.Channel)

    def message(
        self,
        *,
        exchange: str,
        routing_key: str,
        body: Any,
        properties: Mapping[str, Any],
        mandatory: bool = True,
    ) -> bytes:
        """A message as it is written; where it is mandatory, what no queue takes comes back.

        Raises:
            ValueError: a header is nothing that a message can carry, or a name is too long.
        """
        if isinstance(body, str):
            body = body.encode(properties.get("content_encoding") or "utf-8")
        return frames.message(
            channel=self._number,
            exchange=exchange,
            routing_key=routing_key,
            body=body,
            properties=properties,
            frame_max=self._connection.frame_max,
            mandatory=mandatory,
        )

    def catch_up(self, deadline: float) -> None:
        """Take what has come while nobody read: also the end of a connection lost meanwhile.

        Raises:
            OSError: it is lost.
        """
        if not self._is_plain:
            with suppress(TimeoutError), bounded(self._connection, deadline):
                self._connection.drain_events(timeout=0)
            return
        transport = self._open_transport()
        try:
            data = frames.read_now(transport.sock)
        except (BlockingIOError, InterruptedError):
            return
        self._handle(transport, data, deadline)

    def write(self, data: bytes, deadline: float) -> None:
        """Write messages.

        Raises:
            TimeoutError: the broker took them not in time.
            OSError: the connection is lost.
        """
        transport = self._open_transport()
        with _within(transport.sock, deadline):
            transport.write(data)
        self._connection.bytes_sent += 1  # the heart need not beat as well

    def hear(self, deadline: float) -> None:
        """Wait for something from the broker, and handle all that is there.

        Raises:
            TimeoutError: nothing came.
            OSError: the connection is lost.
        """
        transport = self._open_transport()
        if not self._is_plain:
            with bounded(self._connection, deadline):
                self._connection.drain_events(timeout=_left(deadline))
            return
        with _within(transport.sock, deadline):
            data = transport.sock.recv(frames.ONE_READ)
        self._handle(transport, data, deadline)

    def _handle(self, transport: Any, data: bytes, deadline: float) -> None:
        if not data:
            transport.connected = False
            raise OSError("the broker closed the connection")
        transport._read_buffer += data
        connection = self._connection
        while frame := frames.take(transport):
            told = frames.confirm(frame, self._number)
            if told is None:
                # py-amqp answers the end of a channel, and waits for the next one.
                with bounded(connection, deadline):
                    connection.on_inbound_frame(frame)
                if not connection.connected:  # what was in it has closed it
                    return
            else:
                connection.bytes_recv += 1
                self._on_confirm(*told)

    def _open_transport(self) -> Any:
        if self._channel.connection is None or not self._connection.connected:
            raise RecoverableConnectionError("the connection was closed")
        return self._connection.transport

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._on_confirm(True, tag, multiple)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        self._on_confirm(False, tag, multiple)


class _within:  # noqa: N801 - reads as a block; a generator would cost as much as the write
    """Inside the block nobody waits at the socket beyond ``deadline``."""

    __slots__ = ("_before", "_sock")

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        left = _left(deadline)
        self._sock = sock
        self._before = sock.gettimeout()
        sock.settimeout(left)

    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        self._sock.settimeout(self._before)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left
