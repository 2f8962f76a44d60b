"""The few AMQP 0-9-1 frames that most of the traffic is made of: a message, and its confirm.

py-amqp writes every method there is, from its general description, and reads each frame in three
system calls. What is written here is byte for byte what it would write; what it reads whole stays
its own to understand.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from struct import Struct
from typing import Any

from amqp import serialization
from amqp.exceptions import UnexpectedFrame
from amqp.transport import TCPTransport

METHOD, HEADER, BODY = 1, 2, 3
_END = b"\xce"
_ACK = b"\x00\x3c\x00\x50"
_NACK = b"\x00\x3c\x00\x78"
"""Class 60 (basic), methods 80 and 120."""

_frame_head = Struct(">BHI")
_long = Struct(">I")
_item = Struct(">cI")
_number = Struct(">ci")
_content_head = Struct(">HHQH")
_confirm = Struct(">QB")

ONE_READ = 16 * 1024
"""Bytes that are read at a time."""

_SAME = frozenset(("lang", "task", "origin", "kwargsrepr"))
"""Headers that say the same in most messages of a process."""

_PROPERTIES = (
    ("content_type", 1 << 15, "same"),
    ("content_encoding", 1 << 14, "same"),
    ("headers", 1 << 13, "t"),
    ("delivery_mode", 1 << 12, "o"),
    ("priority", 1 << 11, "o"),
    ("correlation_id", 1 << 10, "s"),
    ("reply_to", 1 << 9, "same"),
    ("expiration", 1 << 8, "s"),
    ("message_id", 1 << 7, "s"),
    ("timestamp", 1 << 6, "l"),
    ("type", 1 << 5, "s"),
    ("user_id", 1 << 4, "s"),
    ("app_id", 1 << 3, "s"),
    ("cluster_id", 1 << 2, "s"),
)


def message(
    *,
    channel: int,
    exchange: str,
    routing_key: str,
    body: bytes,
    properties: Mapping[str, Any],
    frame_max: int,
    mandatory: bool = True,
) -> bytes:
    """A ``basic.publish`` with its content, as it goes over the wire.

    Args:
        channel: The number of the channel.
        exchange: Where it is published.
        routing_key: With what key.
        body: Its content.
        properties: By AMQP's names; ``headers`` is a mapping. None: left out.
        frame_max: The largest frame that was agreed on, in bytes; 0: no limit.
        mandatory: Whether it comes back if no queue takes it.
    """
    told = _properties(properties)
    head = _content_head.pack(60, 0, len(body), told[0]) + told[1]
    room = (frame_max or 1 << 30) - 8
    parts = [_publish(channel, exchange, routing_key, mandatory), _frame(HEADER, channel, head)]
    parts += [_frame(BODY, channel, body[i : i + room]) for i in range(0, len(body), room)]
    return b"".join(parts)


def table(values: Mapping[str, Any]) -> bytes:
    """A field table, in RabbitMQ's types.

    Raises:
        ValueError: a value that has no type there.
    """
    whole = b"".join([_entry(name, value) for name, value in values.items()])
    return _long.pack(len(whole)) + whole


def _entry(name: str, value: Any) -> bytes:
    kind = type(value)
    if kind is int or value is None or (kind is str and name in _SAME):
        return _same(name, value)
    return _name(name) + _value(value)


@lru_cache(maxsize=1024)
def _same(name: str, value: str | int | None) -> bytes:
    return _name(name) + _value(value)


def _value(value: Any) -> bytes:
    kind = type(value)
    if kind is str:
        data: bytes = value.encode("utf-8", "surrogatepass")
        return _item.pack(b"S", len(data)) + data
    if value is None:
        return b"V"
    if kind is int and -2147483647 <= value <= 2147483647:
        return _number.pack(b"I", value)
    if kind is dict:
        return b"F" + table(value)
    if kind is list or kind is tuple:
        whole = b"".join([_value(each) for each in value])
        return _item.pack(b"A", len(whole)) + whole
    out = BytesIO()
    serialization._write_item(value, out.write, None)
    return out.getvalue()


def is_plain(transport: Any) -> bool:
    """Whether frames can be read in large pieces.

    TLS has a buffer of its own, and a socket of gevent's waits where it is told not to.
    """
    return type(transport) is TCPTransport and type(transport.sock) is socket.socket


def read_now(sock: Any) -> bytes:
    """What has come, without waiting for it; empty if the other side has closed.

    Raises:
        BlockingIOError: nothing has.
    """
    if sock.gettimeout():  # Python would wait that long; the descriptor itself never does then
        return os.read(sock.fileno(), ONE_READ)
    data: bytes = sock.recv(ONE_READ, socket.MSG_DONTWAIT)
    return data


def take(transport: Any) -> tuple[int, int, bytes] | None:
    """The first frame in what has been read, if it is complete: kind, channel, payload.

    Raises:
        UnexpectedFrame: what has been read is no frame.
    """
    buffer = transport._read_buffer
    if len(buffer) < _frame_head.size:
        return None
    kind, channel, size = _frame_head.unpack_from(buffer)
    end = _frame_head.size + size
    if len(buffer) <= end:
        return None
    if buffer[end] != _END[0]:
        raise UnexpectedFrame(f"a frame ends with {buffer[end]:#x}, not {_END[0]:#x}")
    transport._read_buffer = buffer[end + 1 :]
    return kind, channel, buffer[_frame_head.size : end]


def confirm(frame: tuple[int, int, bytes], channel: int) -> tuple[bool, int, bool] | None:
    """Whether messages were taken, up to which, and whether all before it too; None: no confirm."""
    kind, number, payload = frame
    if kind != METHOD or number != channel:
        return None
    method = payload[:4]
    if method not in {_ACK, _NACK}:
        return None
    tag, bits = _confirm.unpack_from(payload, 4)
    return method == _ACK, tag, bool(bits & 1)


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return _frame_head.pack(kind, channel, len(payload)) + payload + _END


@lru_cache(maxsize=1024)
def _publish(channel: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    names = _short(exchange) + _short(routing_key)
    payload = b"\x00\x3c\x00\x28\x00\x00" + names + bytes((mandatory,))
    return _frame(METHOD, channel, payload)


@lru_cache(maxsize=512)
def _name(name: str) -> bytes:
    return _short(name)


def _short(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return bytes((len(data),)) + data


def _properties(values: Mapping[str, Any]) -> tuple[int, bytes]:
    flags, parts = 0, []
    for name, flag, kind in _PROPERTIES:
        value = values.get(name)
        if value is None:
            continue
        flags |= flag
        if kind == "s":
            parts.append(_short(value))
        elif kind == "same":
            parts.append(_name(value))
        elif kind == "t":
            parts.append(table(value))
        elif kind == "o":
            parts.append(bytes((value,)))
        else:
            parts.append(int(value).to_bytes(8, "big"))
    return flags, b"".join(parts)
