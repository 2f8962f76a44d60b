"""Messages and confirms over a real socket and py-amqp's own channel, with a broker played here."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from amqp.method_framing import frame_handler, frame_writer
from amqp.transport import TCPTransport
from kombu.transport import pyamqp

from fw_core.broker.publish import Letter, Unconfirmed, _One, _Publishing
from fw_core.broker.window import Window

OPEN, SELECT, PUBLISH, CLOSE = (20, 10), (85, 10), (60, 40), (20, 40)
LETTER = Letter(
    queue="default",
    exchange="fw.tasks",
    wait_ms=None,
    body="[[], {}, {}]",
    content_type="application/json",
    content_encoding="utf-8",
    headers={"id": "call-1"},
)
SOON = 0.3

OnPublish = Callable[["Broker", int, int], None]


class Broker:
    """The other end of a connection: it opens channels, and does with a message as it is told."""

    def __init__(self, end: socket.socket, on_publish: OnPublish, silent_after: int = 0) -> None:
        self._end = end
        self._on_publish = on_publish
        self._left = silent_after or 1_000_000
        self.published = 0
        threading.Thread(target=self._run, daemon=True).start()

    def say(self, channel: int, method: tuple[int, int], arguments: bytes = b"") -> None:
        payload = struct.pack(">HH", *method) + arguments
        head = struct.pack(">BHI", 1, channel, len(payload))
        self._end.sendall(head + payload + b"\xce")

    def confirm(self, channel: int, number: int) -> None:
        self.say(channel, (60, 80), struct.pack(">QB", number, 0))

    def close_channel(self, channel: int) -> None:
        text = b"NOT_FOUND - no exchange"
        self.say(channel, CLOSE, struct.pack(">HB", 404, len(text)) + text + bytes(4))

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                kind, channel, payload = self._frame()
                if kind != 1:
                    continue
                self._left -= 1
                if self._left < 0:
                    continue  # it reads, and says nothing
                method = struct.unpack_from(">HH", payload)
                if method == OPEN:
                    self.say(channel, (20, 11), bytes(4))
                elif method == SELECT:
                    self.say(channel, (85, 11))
                elif method == CLOSE:
                    self.say(channel, (20, 41))
                elif method == PUBLISH:
                    self.published += 1
                    self._on_publish(self, channel, self.published)

    def _frame(self) -> tuple[int, int, bytes]:
        kind, channel, size = struct.unpack(">BHI", self._read(7))
        payload = self._read(size)
        self._read(1)
        return kind, channel, payload

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._end.recv(size - len(data))
            if not more:
                raise OSError("closed")
            data += more
        return data


Connect = Callable[..., Any]


@pytest.fixture
def connect() -> Iterator[Connect]:
    ends: list[socket.socket] = []

    def connect(on_publish: OnPublish, **how: int) -> Any:
        here, there = socket.socketpair()
        ends.extend((here, there))
        transport = TCPTransport("broker", connect_timeout=1)
        transport.sock = here
        transport._setup_transport()
        transport.connected = True
        connection = pyamqp.Connection("broker")
        connection.transport = transport
        connection.on_inbound_frame = frame_handler(connection, connection.on_inbound_method)
        connection.frame_writer = frame_writer(connection, transport)
        connection._handshake_complete = True
        connection.fw_broker = Broker(there, on_publish, **how)
        return connection

    yield connect
    for end in ends:
        end.close()


def message(one: _One) -> bytes:
    return one.wire.message(
        exchange="fw.tasks", routing_key="default", body=b"{}", properties={"delivery_mode": 2}
    )


def test_a_message_is_confirmed_by_the_brokers_word(connect: Connect) -> None:
    connection = connect(Broker.confirm)
    one = _One(connection.channel())
    for _ in range(3):
        assert one.send(message(one), time.monotonic() + 60) == []
    assert connection.fw_broker.published == 3


def test_a_broker_that_closes_the_channel_and_falls_silent_is_not_waited_for(
    connect: Connect,
) -> None:
    """py-amqp answers the end of the channel and waits for the next one, with no end of its own."""
    # What it still answers: opening the channel, confirms, the message.
    connection = connect(lambda broker, channel, _: broker.close_channel(channel), silent_after=3)
    one = _One(connection.channel())
    with pytest.raises(TimeoutError):
        one.send(message(one), time.monotonic() + SOON)


def test_a_broker_that_opens_no_channel_is_not_waited_for(connect: Connect) -> None:
    connection = connect(Broker.confirm, silent_after=-1)
    dropped: list[str] = []
    attempt = _Publishing(
        producer(connection, dropped),
        LETTER,
        nothing_to_declare(),
        deadline=time.monotonic() + SOON,
    )
    with pytest.raises(Unconfirmed) as raised:
        attempt.run()
    assert not raised.value.maybe
    assert dropped


def test_a_call_that_is_broken_off_leaves_its_confirm_to_no_other(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, or the timeout of the task that sends, comes between a message and its confirm."""
    connection = connect(Broker.confirm)
    dropped: list[str] = []

    def stop(one: _One, data: bytes, deadline: float) -> list[Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(_One, "send", stop)
    attempt = _Publishing(
        producer(connection, dropped), LETTER, nothing_to_declare(), deadline=time.monotonic() + 60
    )
    with pytest.raises(KeyboardInterrupt):
        attempt.run()
    assert dropped


def test_who_is_slow_to_send_the_next_messages_has_no_silent_broker(connect: Connect) -> None:
    """Nothing was owed while they were made: their time begins when they are written."""
    connection = connect(Broker.confirm)
    window = Window(producer(connection, []), nothing_to_declare(), 60)
    with window:
        window.publish(LETTER)
        while window.owed:
            window._wire.hear(time.monotonic() + 60)
        window.publish(LETTER)  # written at once, as nothing was owed
        window.publish(LETTER)
        window._wire.hear(time.monotonic() + 60)
        window._deadline = time.monotonic() - 1
    assert len(window.confirmed) == 3


def test_what_who_hears_of_the_progress_raises_leaves_no_channel_behind(connect: Connect) -> None:
    dropped: list[str] = []

    def stop(confirmed: int) -> None:
        raise KeyError(confirmed)

    connection = connect(Broker.confirm)
    with (
        pytest.raises(KeyError),
        Window(producer(connection, dropped), nothing_to_declare(), 60, stop) as window,
    ):
        window.publish(LETTER)
    assert dropped


def nothing_to_declare() -> Any:
    return SimpleNamespace(has=lambda *_, **__: True, forget=lambda *_: None)


def producer(connection: Any, dropped: list[str]) -> Any:
    """kombu's producer, as far as publishing asks for it."""

    class Producer:
        _channel: Any = None

        def __init__(self) -> None:
            self.connection = SimpleNamespace(
                connection=connection,
                connected=True,
                recoverable_connection_errors=(OSError,),
                recoverable_channel_errors=(),
                channel=connection.channel,
                collect=lambda **_: dropped.append("dropped"),
            )

        @property
        def channel(self) -> Any:
            if self._channel is None:
                self._channel = connection.channel()
            return self._channel

        def revive(self, _: Any) -> None:
            self._channel = None

    return Producer()
