"""A TCP proxy between fw and a real server, to make the network fail where a test wants it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Forwards bytes until it is frozen.

    Attributes:
        port: The port on 127.0.0.1 where it listens.
    """

    def __init__(self, host: str, target_port: int, *, port: int = 0) -> None:
        self._target = (host, target_port)
        self._frozen = threading.Event()
        self._swallowed = threading.Event()
        self._server = socket.create_server(("127.0.0.1", port))
        self.port: int = self._server.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._silent: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Swallow every byte from now on, in both directions, without closing anything."""
        self._frozen.set()

    def wait_until_swallowed(self, seconds: float) -> bool:
        """Return once a byte has been swallowed that a client sent; False after ``seconds``."""
        return self._swallowed.wait(seconds)

    def cut(self) -> None:
        """Close every connection; new ones are forwarded."""
        sockets, self._sockets = self._sockets, []
        self._close(*sockets)
        self._frozen.clear()

    def drop(self) -> None:
        """Swallow every byte of the connections that there are; new ones work."""
        self._silent.update(self._sockets)

    def close(self) -> None:
        """Close everything."""
        self._close(self._server, *self._sockets)

    def _close(self, *sockets: socket.socket) -> None:
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self._frozen.is_set() and source not in self._silent:
                    sink.sendall(data)
                elif sink.getpeername()[1] == self._target[1]:
                    self._swallowed.set()
            sink.shutdown(socket.SHUT_WR)


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
