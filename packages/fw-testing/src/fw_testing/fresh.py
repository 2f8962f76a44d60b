"""A place of its own on the servers for one test: a vhost or a prefix, and a migrated database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from fw_core.database import schema
from fw_core.database.engine import close_connections
from fw_core.urls import database_url as with_driver
from fw_testing.management import Management


@contextmanager
def fresh_vhost(broker_url: str, management: Management) -> Iterator[str]:
    """Give the URL of a new vhost, which is gone after the block."""
    management.create_vhost()
    try:
        yield _with_path(broker_url, f"/{management.vhost}")
    finally:
        management.delete_vhost()


@contextmanager
def fresh_prefix(app: Any) -> Iterator[None]:
    """Delete, after the block, all that an app with a prefix of its own declared in its vhost."""
    try:
        yield
    finally:
        from fw_core.broker.delays import STEPS_MS

        topology = app.topology
        waits = [wait(ms) for wait in (topology.wait, topology.long_wait) for ms in STEPS_MS]
        with app.connection_for_write() as connection, connection.channel() as channel:
            own = [topology.dead, topology.outcomes]
            for queue in [*app.amqp.queues, *own, *waits]:
                channel.queue_delete(queue)
            for exchange in [topology.tasks, topology.due, topology.rest, *own, *waits]:
                channel.exchange_delete(exchange)


@contextmanager
def template_database(url: str) -> Iterator[str]:
    """Give the name of a migrated database to copy; migrating once a run saves time a test."""
    with _database(url, "") as (name, template_url):
        schema.upgrade(with_driver(template_url))
        close_connections(with_driver(template_url))  # a database that is in use is not copied
        yield name


@contextmanager
def fresh_database(url: str, template: str) -> Iterator[str]:
    """Give the URL of a new database with the tables, which is gone after the block."""
    with _database(url, f' TEMPLATE "{template}"') as (_, fresh_url):
        try:
            yield fresh_url
        finally:
            close_connections(with_driver(fresh_url))


@contextmanager
def administrator(url: str) -> Iterator[Connection]:
    """A connection outside of any transaction, closed after the block."""
    engine = create_engine(
        with_driver(url),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        connect_args={"connect_timeout": 5},
    )
    with engine.connect() as connection:
        yield connection


def fresh_name() -> str:
    """A name that no other run of tests has."""
    return f"fw-test-{uuid.uuid4().hex[:12]}"


@contextmanager
def _database(url: str, clause: str) -> Iterator[tuple[str, str]]:
    name = fresh_name()
    with administrator(url) as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"{clause}')
    try:
        yield name, _with_path(url, f"/{name}")
    finally:
        with administrator(url) as connection:
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=path))
