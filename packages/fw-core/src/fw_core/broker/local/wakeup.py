"""The wake-up byte: who writes a message rings those who wait for it, so that nobody polls.

The byte is only a hint. It travels over UDP on the loopback interface; one that is lost costs up to
one tick, never a message.
"""

from __future__ import annotations

import atexit
import os
import select
import socket
import weakref
from collections.abc import Iterable

_LOOPBACK = "127.0.0.1"


class Bell:
    """A port of this process that any process of this machine can ring."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((_LOOPBACK, 0))
        self._end = weakref.finalize(self, self._socket.close)
        self.port: int = self._socket.getsockname()[1]

    def fileno(self) -> int:
        """Return the descriptor that an event loop can watch."""
        return self._socket.fileno()

    def ring(self) -> None:
        """Make this process look for messages."""
        ring([self.port])

    def wait(self, seconds: float) -> None:
        """Return at the next ring, or after ``seconds``."""
        poller = select.poll()  # unlike select(), takes descriptors above 1024
        poller.register(self._socket, select.POLLIN)
        poller.poll(max(0.0, seconds) * 1000)

    def hush(self) -> None:
        """Take in all rings so far: one look answers them all."""
        try:
            while True:
                self._socket.recv(16)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Give the port back."""
        self._end()


_sender: socket.socket | None = None


def ring(ports: Iterable[int]) -> None:
    """Wake those who wait at ``ports``; never blocks, never fails."""
    global _sender
    for port in ports:
        if _sender is None:
            _sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            _sender.setblocking(False)
            atexit.register(_sender.close)
        try:
            _sender.sendto(b"!", (_LOOPBACK, port))
        except OSError:  # a full buffer: whoever waits there has rings enough to read
            continue


def _after_fork_in_child() -> None:
    global _sender
    _sender = None


os.register_at_fork(after_in_child=_after_fork_in_child)
