"""Frames are byte for byte what py-amqp writes, and what it would read of them."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from amqp import serialization, spec
from amqp.basic_message import Message
from amqp.exceptions import UnexpectedFrame
from amqp.method_framing import frame_handler, frame_writer
from hypothesis import given
from hypothesis import strategies as st

from fw_core.broker import frames

texts = st.text(max_size=40)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | texts
    | st.binary(max_size=40)
    | st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
tables = st.dictionaries(texts, values, max_size=12)
shorts = st.none() | texts
properties = st.fixed_dictionaries(
    {
        "content_type": shorts,
        "content_encoding": shorts,
        "headers": st.none() | tables,
        "delivery_mode": st.sampled_from([1, 2]),
        "priority": st.none() | st.integers(0, 9),
        "correlation_id": shorts,
        "reply_to": shorts,
        "expiration": shorts,
        "message_id": shorts,
        "timestamp": st.none() | st.integers(0, 2**40),
        "type": shorts,
        "user_id": shorts,
        "app_id": shorts,
        "cluster_id": shorts,
    }
)


@given(tables)
def test_a_table_is_what_py_amqp_writes(table: dict[str, Any]) -> None:
    assert frames.table(table) == serialization.dumps("F", (table,))


@given(properties, st.binary(max_size=300), texts, texts, st.sampled_from([0, 64, 4096, 131072]))
def test_a_message_is_what_py_amqp_writes(
    given: dict[str, Any], body: bytes, exchange: str, key: str, frame_max: int
) -> None:
    """In one frame or in several, where it is larger than the largest frame."""
    written = frames.message(
        channel=7,
        exchange=exchange,
        routing_key=key,
        body=body,
        properties=given,
        frame_max=frame_max,
    )
    out: list[bytes] = []
    transport = SimpleNamespace(write=lambda data: out.append(bytes(data)))
    connection = SimpleNamespace(frame_max=frame_max or 1 << 20, bytes_sent=0)
    own = dict(given)
    content = Message(body, application_headers=own.pop("headers"), **own)
    arguments = serialization.dumps("Bssbb", (0, exchange, key, True, False))
    writer = frame_writer(connection, transport)
    if frame_max == 64:  # py-amqp counts the head of a frame with its body, we the body alone
        connection.frame_max = 64
    writer(1, 7, spec.Basic.Publish, arguments, content)
    assert written == b"".join(out)


@given(st.lists(st.integers(1, 40), max_size=30), st.binary(max_size=200))
def test_frames_are_taken_whole_however_they_come(cuts: list[int], body: bytes) -> None:
    data = frames.message(
        channel=3,
        exchange="e",
        routing_key="k",
        body=body,
        properties={"delivery_mode": 2, "headers": {"id": "1"}},
        frame_max=4096,
    )
    transport = SimpleNamespace(_read_buffer=b"")
    taken: list[tuple[int, int, bytes]] = []
    rest = data
    for cut in [*cuts, len(data)]:
        transport._read_buffer += rest[:cut]
        rest = rest[cut:]
        while frame := frames.take(transport):
            taken.append(frame)
    assert [kind for kind, _, _ in taken] == [1, 2, 3][: 3 if body else 2]
    assert all(channel == 3 for _, channel, _ in taken)
    assert (taken[2][2] if body else b"") == body
    assert transport._read_buffer == b""


def test_what_does_not_end_as_a_frame_is_refused() -> None:
    transport = SimpleNamespace(_read_buffer=b"\x08\x00\x00\x00\x00\x00\x00\xcf")
    with pytest.raises(UnexpectedFrame, match="0xcf"):
        frames.take(transport)


@pytest.mark.parametrize("multiple", [False, True])
@pytest.mark.parametrize("method", [spec.Basic.Ack, spec.Basic.Nack])
def test_a_confirm_is_read_as_py_amqp_reads_it(method: tuple[int, int], multiple: bool) -> None:
    payload = bytes((0, method[0], 0, method[1])) + serialization.dumps("Lb", (2**40, multiple))
    assert frames.confirm((1, 5, payload), 5) == (method == spec.Basic.Ack, 2**40, multiple)
    heard: list[Any] = []
    connection = SimpleNamespace(bytes_recv=0)
    handle = frame_handler(connection, lambda *told: heard.append(told))
    handle((1, 5, payload))
    assert heard[0][:2] == (5, method)


@pytest.mark.parametrize(
    "frame",
    [(1, 4, b"\x00\x3c\x00\x50" + bytes(9)), (8, 5, b""), (1, 5, b"\x00\x14\x00\x28" + bytes(9))],
    ids=["another channel's", "a heartbeat", "channel.close"],
)
def test_what_is_no_confirm_of_the_channel_is_left_to_py_amqp(
    frame: tuple[int, int, bytes],
) -> None:
    assert frames.confirm(frame, 5) is None


def test_a_value_that_has_no_type_on_the_wire_is_refused() -> None:
    with pytest.raises(ValueError):
        frames.table({"what": object()})
