"""A store as a kombu transport: connections, the event loop, and whose messages are whose."""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from collections.abc import Callable
from typing import Any

from amqp.exceptions import ConnectionError as AmqpConnectionError
from amqp.exceptions import RecoverableConnectionError
from kombu.transport import base

from fw_core.broker.local.change import TICK_SECONDS
from fw_core.broker.local.channel import Channel
from fw_core.broker.local.inbox import Inbox
from fw_core.broker.local.store import Store
from fw_core.broker.local.stores import store_at
from fw_core.broker.local.wakeup import Bell

_defaults: Any = base.Transport.implements  # kombu does not annotate its methods
_MESSAGES_A_TURN = 100  # then the event loop gets a chance to do something else


class Transport(base.Transport):  # type: ignore[misc]
    """One connection to a store; it is its own connection object, as in kombu's virtual ones.

    Everything it claims belongs to one owner, made when first needed: a producer has none.
    """

    can_parse_url = True
    driver_type = "local"
    driver_name = "fw-local"
    implements: Any = _defaults.extend(
        asynchronous=True,
        batch_publish=True,
        exchange_type=frozenset(["direct", "topic", "fanout"]),
        heartbeats=False,
    )
    connection_errors: Any = (AmqpConnectionError, OSError, sqlite3.OperationalError)
    recoverable_connection_errors: Any = (
        RecoverableConnectionError,
        OSError,
        sqlite3.OperationalError,
    )

    def __init__(self, client: Any, **_: Any) -> None:
        self.client = client
        self.store: Store = store_at(_url(client))
        self.channels: list[Channel] = []
        self._numbers = 0
        self._owner: int | None = None
        self._on_collected: weakref.finalize[..., Transport] = weakref.finalize(self, _nothing)
        self._bell: Bell | None = None
        self._next_tick = 0.0
        self._alarm: Any = None
        self._leave_loop: Callable[[], None] = _nothing
        _transports.add(self)

    # What kombu.Connection asks of a transport.

    def establish_connection(self) -> Transport:
        """Open the store; raises here if it cannot be used."""
        self.store.next_due()
        return self

    def close_connection(self, connection: Transport) -> None:
        """Close all channels and say goodbye: what is unsettled goes back, uncounted."""
        self._leave_loop()
        for channel in self.channels:
            channel.abandon()
        self.channels.clear()
        if self._bell is not None:
            self._bell.close()
            self._bell = None
        owner, self._owner = self._owner, None
        self._on_collected.detach()
        if owner is not None:
            self.store.remove_owner(owner)

    def create_channel(self, connection: Transport) -> Channel:
        """Return a new channel."""
        self._numbers += 1
        channel = Channel(self, self._numbers)
        self.channels.append(channel)
        return channel

    def close_channel(self, connection: Channel) -> None:
        """Forget a channel that closes (kombu's name for the parameter is misleading)."""
        if connection in self.channels:
            self.channels.remove(connection)

    def drain_events(self, connection: Transport, timeout: float | None = None, **_: Any) -> None:
        """Hand out one message, waiting for it if there is none.

        Raises:
            TimeoutError: none came within ``timeout`` seconds.
        """
        bell = self.bell
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            bell.hush()  # before looking: a ring that comes later then ends the wait
            if self._deliver(1):
                return
            left = self._tick_if_due()
            upcoming = self.store.advance()
            if upcoming is not None:
                left = min(left, upcoming - self.store.clock())
            if deadline is not None:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise TimeoutError("timed out")
                left = min(left, remaining)
            bell.wait(left)

    def register_with_event_loop(self, connection: Transport, loop: Any) -> None:
        """Let the worker's event loop hand out messages as they come."""
        self._leave_loop()
        loop.add_reader(self.bell.fileno(), self.on_readable, connection, loop)
        # Deliveries only happen in on_readable: the loop fixes how long it may sleep before it
        # runs timers (kombu/asynchronous/hub.py), and would oversleep what a timer has begun.
        timer = loop.call_repeatedly(TICK_SECONDS, self.ring)

        def leave() -> None:
            self._leave_loop = _nothing
            timer.cancel()
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None
            loop.remove_reader(self.bell.fileno())

        self._leave_loop = leave

    def unregister_from_event_loop(self, connection: Transport, loop: Any) -> None:
        """End what ``register_with_event_loop`` began."""
        self._leave_loop()

    def on_readable(self, connection: Transport, loop: Any) -> None:
        """Hand out what is ready, and be woken again when more is due."""
        self.bell.hush()
        self._tick_if_due()
        if self._deliver(_MESSAGES_A_TURN) >= _MESSAGES_A_TURN:
            self.ring()
            return
        upcoming = self.store.advance()
        if upcoming is None:
            return
        left = upcoming - self.store.clock()
        if left <= TICK_SECONDS:  # otherwise a tick comes first, and looks again
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = loop.call_later(max(0.0, left), self.ring)

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """Return the URL as it was given; it holds no secret."""
        return _url(self.client)

    def driver_version(self) -> Any:
        """Return the version of SQLite."""
        return sqlite3.sqlite_version

    # What channels ask of their connection.

    @property
    def owner(self) -> int:
        """Whose the messages claimed here are."""
        if self._owner is None:
            self._owner = self.store.register_owner()
            self._on_collected = weakref.finalize(
                self, _abandon, self.store, self._owner, os.getpid()
            )
            # At exit the kernel speaks for us: what was running counts as delivered.
            self._on_collected.atexit = False
        return self._owner

    @property
    def bell(self) -> Bell:
        """What others ring when there is something to look for."""
        if self._bell is None:
            self._bell = Bell()
        return self._bell

    def ring(self) -> None:
        """Look for messages at the event loop's next turn."""
        if self._bell is not None:
            self._bell.ring()

    def listen(self, queue: str, tag: str) -> None:
        """Be rung when a message in ``queue`` becomes ready."""
        self.store.listen(queue, owner=self.owner, tag=tag, port=self.bell.port)

    def unlisten(self, queue: str, tag: str) -> None:
        """End what ``listen`` began."""
        self.store.unlisten(queue, owner=self.owner, tag=tag)

    def disown(self) -> None:
        """In a forked child: leave the parent's owner, messages and port to the parent."""
        self._leave_loop = _nothing
        self._alarm = None
        self._owner = None
        self._bell = None
        for channel in self.channels:
            channel.inbox = Inbox(self.store)

    def _deliver(self, limit: int) -> int:
        delivered = 0
        channels = list(self.channels)
        self.channels = channels[1:] + channels[:1]  # each is first in turn
        for channel in channels:
            delivered += channel.deliver(limit - delivered)
            if delivered >= limit:
                break
        return delivered

    def _tick_if_due(self) -> float:
        left = self._next_tick - time.monotonic()
        if left > 0:
            return left
        self._next_tick = time.monotonic() + TICK_SECONDS
        self.store.tick()
        return TICK_SECONDS


def _url(client: Any) -> str:
    # kombu leaves the URL in "hostname" (can_parse_url), except when it fails over to another.
    hostname: str = client.hostname or ""
    if "://" in hostname:
        return hostname
    return f"local://{hostname}/{client.virtual_host or ''}"


def _abandon(store: Store, owner: int, pid: int) -> None:
    # A connection that was dropped without being closed: nobody can settle its messages any more.
    if pid == os.getpid():
        store.remove_owner(owner)


def _nothing() -> None:
    return


_transports: weakref.WeakSet[Transport] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for transport in list(_transports):
        transport.disown()


os.register_at_fork(after_in_child=_after_fork_in_child)
