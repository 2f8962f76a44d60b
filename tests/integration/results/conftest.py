from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from sqlalchemy import create_engine, make_url, text
from tcp_proxy import Proxy

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


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    parsed = make_url(url)
    proxy = Proxy(parsed.host or "127.0.0.1", parsed.port or 5432)
    yield proxy
    proxy.refuse()


@pytest.fixture
def proxied_url(url: str, proxy: Proxy) -> str:
    return make_url(url).set(host="127.0.0.1", port=proxy.port).render_as_string(False)
