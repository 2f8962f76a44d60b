"""Frames out of pieces of any size, over a real socket and py-amqp's own transport."""

from __future__ import annotations

import socket
import struct
from types import SimpleNamespace

import pytest
from amqp.exceptions import RecoverableConnectionError, UnexpectedFrame
from amqp.transport import TCPTransport
from hypothesis import given
from hypothesis import strategies as st

from fw_worker.ahead.reading import Reader

from .test_deliveries import written as delivery

FRAMES = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=300)))


def written(frames) -> bytes:
    return b"".join(
        struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"
        for kind, channel, payload in frames
    )


class World:
    def __init__(self) -> None:
        self.broker, here = socket.socketpair()
        self.transport = TCPTransport("broker", connect_timeout=1)
        self.transport.sock = here
        self.transport._setup_transport()
        self.transport.connected = True
        self.handled = []
        self.connection = SimpleNamespace(
            transport=self.transport,
            connected=True,
            on_inbound_frame=self.handled.append,
            channels={},
            bytes_recv=0,
        )
        self.reader = Reader(self.connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.broker.close()
        self.transport.sock.close()
        self.transport.connected = False
        self.transport.sock = None


@given(FRAMES, st.data())
def test_all_frames_come_whole_and_in_order_however_they_are_cut(frames, data):
    text = written(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    with World() as world:
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            if start == end:
                continue
            world.broker.sendall(text[start:end])
            while world.transport.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                world.reader.on_readable()
                if not _is_readable(world.transport.sock):
                    break
        assert world.handled == frames
        assert world.transport._read_buffer == b""


def _is_readable(sock) -> bool:
    try:
        return bool(sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False


def test_who_waits_for_an_answer_reads_on_where_this_stopped():
    with World() as world:
        frames = [(1, 1, b"one"), (1, 1, b"two")]
        text = written(frames)
        world.broker.sendall(text[:15])
        world.reader.on_readable()
        world.broker.sendall(text[15:])
        assert world.handled == frames[:1]
        assert world.transport.read_frame() == frames[1]


def test_a_frame_that_closes_the_connection_is_the_last_one():
    with World() as world:
        transport = world.transport

        def close(frame):
            world.handled.append(frame)
            world.connection.connected = False

        world.connection.on_inbound_frame = close
        world.broker.sendall(written([(1, 1, b"close"), (1, 1, b"more")]))
        world.reader.on_readable()
        assert world.handled == [(1, 1, b"close")]
        with pytest.raises(RecoverableConnectionError):
            world.reader.on_readable()
        assert transport.connected


@pytest.mark.parametrize("timeout", [None, 0, 3600])
def test_nothing_to_read_is_nothing(timeout):
    """Also where somebody has set a timeout: the event loop waits for nothing."""
    with World() as world:
        world.transport.sock.settimeout(timeout)
        world.reader.on_readable()
        assert world.handled == []
        world.broker.sendall(written([(1, 1, b"one")]))
        world.reader.on_readable()
        assert world.handled == [(1, 1, b"one")]


def test_a_broker_that_went_away_is_an_error():
    with World() as world:
        world.broker.close()
        with pytest.raises(OSError, match="closed the connection"):
            world.reader.on_readable()


def test_what_is_no_frame_is_an_error():
    with World() as world:
        world.broker.sendall(struct.pack(">BHI", 1, 1, 2) + b"xx" + b"\x00")
        with pytest.raises(UnexpectedFrame, match="0x0"):
            world.reader.on_readable()


def test_a_delivery_goes_to_its_consumer_and_what_follows_it_can_be_read_on():
    """A consumer that waits for an answer of the broker reads on behind its own message."""
    data = delivery(b"[[7], {}, {}]", {"headers": {"id": "one"}}, tag="tasks")
    seen = []
    with World() as world:
        channel = SimpleNamespace(
            callbacks={
                "tasks": lambda message: seen.append(
                    (message.channel, message.body, _headers(message), world.transport._read_buffer)
                )
            }
        )
        world.connection.channels[3] = channel
        world.broker.sendall(data + b"\x08")
        world.reader.on_readable()
        assert seen == [(channel, b"[[7], {}, {}]", {"id": "one"}, b"\x08")]
        assert world.connection.bytes_recv == 1
        assert not world.handled


@pytest.mark.parametrize("channels", [{}, {3: SimpleNamespace(callbacks={})}])
def test_a_delivery_that_nobody_here_knows_is_left_to_py_amqp(channels):
    """Which gives it back."""
    data = delivery(b"body", {}, tag="tasks")
    with World() as world:
        world.connection.channels = channels
        world.broker.sendall(data)
        world.reader.on_readable()
        assert [kind for kind, *_ in world.handled] == [1, 2, 3]


def _headers(message):
    return message.properties["application_headers"]
