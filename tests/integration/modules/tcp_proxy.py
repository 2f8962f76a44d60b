"""A TCP proxy between fw and a real server, to make the network fail where a test wants it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit


@dataclass
class _Link:
    """A connection through the proxy, and which of its directions swallow every byte."""

    near: socket.socket
    far: socket.socket
    is_mute: bool
    is_deaf: bool
    swallowed: threading.Event
    latency: float = 0.0

    def pass_on(self) -> None:
        """Forward both ways until one end closes."""
        for copy in (self._copy_there, self._copy_back):
            threading.Thread(target=copy, daemon=True).start()

    def close(self) -> None:
        """Close both ends."""
        for end in (self.near, self.far):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _copy_there(self) -> None:
        with suppress(OSError):
            while data := self.near.recv(65536):
                if self.is_mute:
                    self.swallowed.set()
                else:
                    self.far.sendall(data)
            if not self.is_mute:  # who is cut off does not hear of the end either
                self.far.shutdown(socket.SHUT_WR)

    def _copy_back(self) -> None:
        with suppress(OSError):
            while data := self.far.recv(65536):
                if self.latency:
                    time.sleep(self.latency)
                if not self.is_deaf:
                    self.near.sendall(data)
            if not self.is_deaf:
                self.near.shutdown(socket.SHUT_WR)


class Proxy:
    """Forwards bytes until it is told otherwise.

    Attributes:
        port: The port on 127.0.0.1 where it listens.
    """

    def __init__(self, host: str, target_port: int, *, port: int = 0) -> None:
        self._target = (host, target_port)
        self._links: list[_Link] = []
        self._listener: socket.socket | None = None
        self._accepting: threading.Thread | None = None
        self._is_mute = self._is_deaf = False
        self._swallowed = threading.Event()
        self._latency = 0.0
        self.port = port
        self.mend()

    def freeze(self) -> None:
        """Swallow every byte from now on, in both directions, without closing anything."""
        self._is_mute = self._is_deaf = True
        self.drop()

    def drop(self) -> None:
        """Swallow every byte of the connections that there are; new ones work."""
        for link in self._links:
            link.is_mute = link.is_deaf = True

    def mute(self) -> None:
        """Swallow from now on what the clients say; they go on hearing the server."""
        self._is_mute = True
        for link in self._links:
            link.is_mute = True

    def slow(self, seconds: float) -> None:
        """Hold back by so much whatever the server says on new connections."""
        self._latency = seconds

    def wait_until_swallowed(self, seconds: float) -> bool:
        """Return once a byte has been swallowed that a client sent; False after ``seconds``."""
        return self._swallowed.wait(seconds)

    def cut(self) -> None:
        """Close every connection; new ones are forwarded."""
        self._is_mute = self._is_deaf = False
        while self._links:
            self._links.pop().close()

    def refuse(self) -> None:
        """Close every connection and refuse new ones, until :meth:`mend`."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        if self._accepting is not None:  # whom it has just accepted is closed with the others
            self._accepting.join()
            self._accepting = None
        self.cut()

    def mend(self) -> None:
        """Let connections through (again)."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self.port = self._listener.getsockname()[1]
            self._accepting = threading.Thread(
                target=self._accept, args=(self._listener,), daemon=True
            )
            self._accepting.start()

    def close(self) -> None:
        """Close everything."""
        self.refuse()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                try:
                    far = socket.create_connection(self._target)
                except OSError:  # the server is away, as the client then sees
                    near.close()
                    continue
                link = _Link(
                    near, far, self._is_mute, self._is_deaf, self._swallowed, self._latency
                )
                self._links.append(link)
                link.pass_on()


@contextmanager
def proxied(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy in front of the server of ``url``, and the URL that leads through it."""
    parts = urlsplit(url)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 5672)
    user = parts.netloc.rpartition("@")[0]
    netloc = f"{user}@127.0.0.1:{proxy.port}" if user else f"127.0.0.1:{proxy.port}"
    try:
        yield proxy, urlunsplit(parts._replace(netloc=netloc))
    finally:
        proxy.close()
