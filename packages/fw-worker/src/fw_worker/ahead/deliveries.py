"""Deliveries as RabbitMQ writes them, read in one go; what is not usual is left to py-amqp.

A delivery is three frames: the method, the properties with their headers, the body. py-amqp reads
them by general descriptions of every method and type, which takes a quarter of all that a worker's
first process does for a short task.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError  # noqa: N812 - it is a class
from typing import Any, Final

from fw_worker.ahead.layouts import Layouts, Place, Places

_HEAD = Struct(">BHI")
_CONTENT = Struct(">HHQH")
_TAG = Struct(">QB")
_LONG = Struct(">I")
_INT = Struct(">i")
_LONGLONG = Struct(">q")
_DELIVER = b"\x00\x3c\x00\x3c"
"""Class 60 (basic), method 60."""

_DELIVER_ENDS = 11
_METHOD, _HEADER, _BODY, _END = 1, 2, 3, 0xCE
_LARGE = 64 * 1024
"""Bytes of a body that is read frame by frame, not waited for whole."""

_PLAIN = (None, "utf-8", "binary")

INCOMPLETE: Final = "incomplete"

_names: dict[bytes, str] = {}
_MOST_NAMES = 1000


class Message:
    """As much of py-amqp's message as kombu reads of one; to make the whole takes longer."""

    __slots__ = ("body", "channel", "delivery_info", "delivery_tag", "properties")

    def __init__(self, body: Any, properties: dict[str, Any], info: dict[str, Any]) -> None:
        self.body = body
        self.properties = properties
        self.delivery_info = info
        self.delivery_tag = info["delivery_tag"]
        self.channel: Any = None


class Delivery:
    """One message, and the consumer that it is for."""

    __slots__ = ("channel", "end", "message", "tag")

    def __init__(self, channel: int, tag: str, message: Message, end: int) -> None:
        self.channel = channel
        self.tag = tag
        self.message = message
        self.end = end


class _Unusual(Exception):  # noqa: N818 - no error: py-amqp reads it
    pass


class _Incomplete(Exception):  # noqa: N818 - no error: the rest is on its way
    pass


def first_of(buffer: bytes) -> Delivery | str | None:
    """The delivery with which the buffer begins.

    Returns:
        The delivery; ``INCOMPLETE`` if more of it has to come; None: it begins with something
        else, or with a delivery that py-amqp has to read.
    """
    if len(buffer) < _DELIVER_ENDS or buffer[0] != _METHOD or buffer[7:11] != _DELIVER:
        return None
    _, channel, size = _HEAD.unpack_from(buffer)
    try:
        start, end = _payload(buffer, _HEAD.size + size + 1, _HEADER, channel)
        info, properties, length = _start(buffer, start, end)
        if properties.get("content_encoding") not in _PLAIN:
            return None  # py-amqp decodes the body
        body: Any = ""
        if length:
            start, end = _payload(buffer, end, _BODY, channel, length)
            body = buffer[start : end - 1]
    except _Incomplete:
        return INCOMPLETE
    except (_Unusual, UnicodeDecodeError, IndexError, StructError):
        return None
    return Delivery(channel, info["consumer_tag"], Message(body, properties, info), end)


def _start(buffer: bytes, start: int, end: int) -> tuple[dict[str, Any], dict[str, Any], int]:
    """What stands before the body: where it comes from, its properties, and the body's length.

    Args:
        buffer: What begins with the delivery.
        start: Where the payload of the frame of its properties begins.
        end: Where that frame ends.
    """
    lengths = start, end
    layout = _layouts.get(lengths)
    if layout is not None:
        found = layout.read(buffer)
        if found is not None:
            return found
        _layouts.forget(lengths)
    _, _, length, flags = _CONTENT.unpack_from(buffer, start)
    number_at, info = _delivery_info(buffer)
    places = Places((number_at, number_at + 8), (start + 4, start + 12), {}, {})
    properties = _properties(buffer, start + _CONTENT.size, flags, places)
    if _layouts.is_new(lengths):
        _layouts.learn(lengths, buffer[:end], places, info, properties)
    return info, properties, length


_layouts = Layouts()


def _payload(
    buffer: bytes, at: int, kind: int, channel: int, size: int | None = None
) -> tuple[int, int]:
    """Where the payload of a frame begins, and where the frame ends."""
    if size is not None and size > _LARGE:
        raise _Unusual
    if len(buffer) < at + _HEAD.size:
        raise _Incomplete
    found, number, length = _HEAD.unpack_from(buffer, at)
    if found != kind or number != channel or (size is not None and size != length):
        raise _Unusual
    start = at + _HEAD.size
    end = start + length + 1
    if len(buffer) < end:
        raise _Incomplete
    if buffer[at - 1] != _END or buffer[end - 1] != _END:
        raise _Unusual
    return start, end


def _delivery_info(buffer: bytes) -> tuple[int, dict[str, Any]]:
    """Where its number stands, and what the delivery says of itself."""
    tag, number_at = _short(buffer, 11)
    number, redelivered = _TAG.unpack_from(buffer, number_at)
    exchange, at = _short(buffer, number_at + 9)
    key, _ = _short(buffer, at)
    return number_at, {
        "consumer_tag": tag,
        "delivery_tag": number,
        "redelivered": bool(redelivered & 1),
        "exchange": exchange,
        "routing_key": key,
    }


def _properties(buffer: bytes, at: int, flags: int, places: Places) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def short(name: str) -> None:
        nonlocal at
        begin = at + 1
        found[name], at = _short(buffer, at)
        places.properties[name] = begin, at

    if flags & 0x8000:
        short("content_type")
    if flags & 0x4000:
        short("content_encoding")
    if flags & 0x2000:
        found["application_headers"], at = _table(buffer, at, places.headers)
    if flags & 0x1000:
        found["delivery_mode"] = buffer[at]
        at += 1
    if flags & 0x0800:
        found["priority"] = buffer[at]
        at += 1
    if flags & 0x0400:
        short("correlation_id")
    if flags & 0x0200:
        short("reply_to")
    if flags & 0x0100:
        short("expiration")
    if flags & 0x0080:
        short("message_id")
    if flags & 0x007F:
        raise _Unusual
    return found


def _short(buffer: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + buffer[at]
    return buffer[at + 1 : end].decode(), end


def _table(
    buffer: bytes, at: int, texts: dict[str, Place] | None = None
) -> tuple[dict[str, Any], int]:
    """A table; where its texts stand is noted in ``texts``."""
    end = at + 4 + _LONG.unpack_from(buffer, at)[0]
    at += 4
    found: dict[str, Any] = {}
    while at < end:
        start = at + 1
        at = start + buffer[at]
        name = _names.get(buffer[start:at]) or _name(buffer[start:at])
        begin = at + 5
        found[name], at = _value(buffer, at)
        if texts is None:
            continue
        if type(found[name]) is str:
            texts[name] = begin, at
        else:
            texts.pop(name, None)  # a name that came twice
    return found, at


def _value(buffer: bytes, at: int) -> tuple[Any, int]:
    kind = buffer[at]
    if kind == 83:  # S
        start = at + 5
        end = start + _LONG.unpack_from(buffer, at + 1)[0]
        return buffer[start:end].decode(), end
    if kind == 86:  # V
        return None, at + 1
    if kind == 73:  # I
        return _INT.unpack_from(buffer, at + 1)[0], at + 5
    if kind == 116:  # t
        return bool(buffer[at + 1]), at + 2
    if kind in (108, 76):  # l, and what py-amqp writes for it
        return _LONGLONG.unpack_from(buffer, at + 1)[0], at + 9
    if kind == 70:  # F
        return _table(buffer, at + 1)
    if kind == 65:  # A
        end = at + 5 + _LONG.unpack_from(buffer, at + 1)[0]
        at += 5
        values: list[Any] = []
        while at < end:
            value, at = _value(buffer, at)
            values.append(value)
        return values, at
    raise _Unusual


def _name(name: bytes) -> str:
    if len(_names) >= _MOST_NAMES:
        _names.clear()
    text = _names[name] = name.decode()
    return text
