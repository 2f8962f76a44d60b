"""A delivery that is read in one go is what py-amqp reads frame by frame."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest
from amqp import serialization, spec
from amqp.basic_message import Message
from amqp.method_framing import frame_handler
from hypothesis import given
from hypothesis import strategies as st

from fw_core.broker import frames
from fw_worker.ahead import deliveries, layouts
from fw_worker.ahead.deliveries import INCOMPLETE, Delivery, first_of

texts = st.text(max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
shorts = st.none() | texts
properties = st.fixed_dictionaries(
    {
        "content_type": shorts,
        "content_encoding": st.sampled_from([None, "utf-8", "binary"]),
        "headers": st.none() | st.dictionaries(texts, values, max_size=8),
        "delivery_mode": st.none() | st.sampled_from([1, 2]),
        "priority": st.none() | st.integers(0, 9),
        "correlation_id": shorts,
        "reply_to": shorts,
        "expiration": shorts,
        "message_id": shorts,
    }
)


def written(
    body: bytes,
    told: dict[str, Any],
    *,
    tag: str = "None3",
    number: int = 7,
    redelivered: bool = False,
    exchange: str = "fw.tasks",
    key: str = "default",
    frame_max: int = 131072,
) -> bytes:
    """A delivery, as the broker writes it."""
    arguments = serialization.dumps("sLbss", (tag, number, redelivered, exchange, key))
    method = struct.pack(">HH", *spec.Basic.Deliver) + arguments
    published = frames.message(
        channel=3, exchange="", routing_key="", body=body, properties=told, frame_max=frame_max
    )
    transport = SimpleNamespace(_read_buffer=published)
    frames.take(transport)  # its own method
    content: bytes = transport._read_buffer
    return struct.pack(">BHI", 1, 3, len(method)) + method + b"\xce" + content


def read_by_py_amqp(data: bytes) -> Message:
    """What py-amqp makes of it."""
    heard: list[Message] = []
    transport = SimpleNamespace(_read_buffer=data)

    def on_message(channel: int, method: Any, arguments: bytes, message: Message) -> None:
        values, _ = serialization.loads("sLbss", arguments, 4)
        names = ("consumer_tag", "delivery_tag", "redelivered", "exchange", "routing_key")
        message.delivery_info = dict(zip(names, values, strict=True))
        heard.append(message)

    handle = frame_handler(SimpleNamespace(bytes_recv=0), on_message)
    while frame := frames.take(transport):
        handle(frame)
    [message] = heard
    return message


@given(properties, st.binary(max_size=200), texts, texts, st.booleans(), st.binary(max_size=20))
def test_it_is_what_py_amqp_reads(
    told: dict[str, Any], body: bytes, tag: str, key: str, redelivered: bool, after: bytes
) -> None:
    data = written(body, told, tag=tag, key=key, redelivered=redelivered)
    theirs, own = read_by_py_amqp(data), first_of(data + after)
    assert isinstance(own, Delivery)
    assert (own.channel, own.tag, own.end) == (3, tag, len(data))
    assert own.message.properties == theirs.properties
    assert list(own.message.properties) == list(theirs.properties)
    assert own.message.delivery_info == theirs.delivery_info
    assert own.message.body == theirs.body
    assert type(own.message.body) is type(theirs.body)


@given(properties, st.binary(max_size=60), st.data())
def test_a_part_of_it_is_waited_for(told: dict[str, Any], body: bytes, data: Any) -> None:
    whole = written(body, told)
    part = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert first_of(part) == (INCOMPLETE if len(part) >= 11 else None)
    if len(part) < 11:  # who takes frames does not take it either
        assert frames.take(SimpleNamespace(_read_buffer=part)) is None


UNUSUAL = {
    "a heartbeat": b"\x08\x00\x00\x00\x00\x00\x00\xce",
    "another method": struct.pack(">BHI", 1, 3, 13) + b"\x00\x3c\x00\x50" + bytes(9) + b"\xce",
    "a body in two frames": written(b"x" * 100, {}, frame_max=64),
    "a large body": written(b"x" * (deliveries._LARGE + 1), {}),
    "a body in another encoding": written(b"\xe9", {"content_encoding": "iso-8859-1"}),
    "a timestamp": written(b"", {"timestamp": 5}),
    "a number with a point in the headers": written(b"", {"headers": {"half": 0.5}}),
    "no frame end": written(b"", {})[:-1] + b"\x00",
    "headers that are no UTF-8": written(b"", {"headers": {"a": "xy"}}).replace(b"xy", b"\xff\xfe"),
    "a table that says it is longer": written(b"", {"headers": {"abc": "x"}}).replace(
        b"\x03abcS\x00\x00\x00\x01x", b"\xf0abcS\x00\x00\x00\x01x"
    ),
}


@pytest.mark.parametrize("data", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_what_is_unusual_is_left_to_py_amqp(data: bytes) -> None:
    assert first_of(data) is None


def test_names_of_headers_are_not_kept_for_ever() -> None:
    for number in range(deliveries._MOST_NAMES + 10):
        first_of(written(b"", {"headers": {f"name {number}": 1}}))
    assert len(deliveries._names) <= deliveries._MOST_NAMES


ids = st.text("abé", min_size=3, max_size=3)
"""Of one number of characters, but not of bytes."""

calls = st.fixed_dictionaries(
    {
        "headers": st.fixed_dictionaries(
            {
                "task": ids,
                "id": ids,
                "root_id": ids | st.integers(0, 9),
                "argsrepr": ids | st.none(),
                "retries": st.integers(0, 2),
                "timelimit": st.lists(st.none() | st.integers(0, 1), min_size=2, max_size=2),
                "stamps": st.just({}) | st.just({"deep": {"deeper": 1}}),
            },
            optional={"expires": ids, "fw-own": ids},
        ),
        "correlation_id": ids,
        "reply_to": ids,
    },
    optional={"message_id": ids, "content_type": st.just("application/json")},
)


@given(st.lists(st.tuples(calls, st.binary(max_size=20), st.integers(0, 2**40)), max_size=8))
def test_calls_that_look_alike_are_read_as_each_alone(given_calls: list[Any]) -> None:
    """Of the second one only what differs is read."""
    for told, body, number in given_calls:
        data = written(body, told, number=number)
        theirs, own = read_by_py_amqp(data), first_of(data)
        assert isinstance(own, Delivery)
        assert own.message.properties == theirs.properties
        assert own.message.delivery_info == theirs.delivery_info
        assert own.message.body == theirs.body


def test_calls_that_look_alike_share_nothing_that_can_be_changed() -> None:
    told = {"headers": {"id": "a", "timelimit": [None, None], "stamps": {}}, "correlation_id": "a"}
    for _ in range(3):
        own = first_of(written(b"[]", told))
        assert isinstance(own, Delivery)
        properties = own.message.properties
        assert properties["application_headers"] == told["headers"]
        properties["application_headers"]["timelimit"].append(1)
        properties["application_headers"]["stamps"]["a"] = 1
        properties["application_headers"]["more"] = 1
        properties["more"] = own.message.delivery_info["more"] = 1


def test_a_text_that_is_none_is_left_to_py_amqp_in_a_call_like_another() -> None:
    told = {"headers": {"id": "xy"}}
    assert isinstance(first_of(written(b"", told)), Delivery)
    assert first_of(written(b"", told).replace(b"xy", b"\xff\xfe")) is None


def test_layouts_are_not_kept_for_ever() -> None:
    for number in range(layouts._MOST_LAYOUTS + 10):
        first_of(written(b"", {"headers": {"id": "x" * number}}))
    assert len(deliveries._layouts._known) <= layouts._MOST_LAYOUTS
