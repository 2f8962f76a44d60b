from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from sqlalchemy import create_engine, make_url, text

from fw_core.database import schema
from fw_core.database.engine import close_connections
from fw_core.results.backend import ResultBackend
from fw_core.urls import database_url as with_driver
from fw_testing.services import Services


@pytest.fixture
def database_url(fw_services: Services) -> Iterator[str]:
    """An empty PostgreSQL database of its own, dropped afterwards."""
    server = with_driver(fw_services.database_url)
    name = f"fw_test_{uuid4().hex[:12]}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(server).set(database=name).render_as_string(False)
    finally:
        close_connections()
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture
def url(database_url: str) -> str:
    """A database with fw's tables."""
    schema.upgrade(database_url)
    return database_url


@pytest.fixture
def make_backend() -> Callable[..., ResultBackend]:
    def make(url: str, **options: Any) -> ResultBackend:
        app = Celery("shop", broker="memory://", set_as_current=False)
        app.backend_cls = lambda app, url: backend
        backend = ResultBackend(app, url, **options)
        return backend

    return make


@pytest.fixture
def ask(url: str) -> Iterator[Callable[[str], Any]]:
    """Ask the server something, over a connection that is none of fw's."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")

    def ask(sql: str) -> Any:
        with engine.connect() as connection:
            return connection.scalar(text(sql))

    yield ask
    engine.dispose()


class Proxy:
    """Stands between fw and the server, and can be cut and mended."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self.mend()

    def mend(self) -> None:
        """Let connections through (again)."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self.port = self._listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """End all connections and refuse new ones."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    @staticmethod
    def _pass_on(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    parsed = make_url(url)
    proxy = Proxy(parsed.host or "127.0.0.1", parsed.port or 5432)
    yield proxy
    proxy.cut()


@pytest.fixture
def proxied_url(url: str, proxy: Proxy) -> str:
    return make_url(url).set(host="127.0.0.1", port=proxy.port).render_as_string(False)
