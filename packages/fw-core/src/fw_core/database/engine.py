"""One kept connection for each process and database, never shared with a forked child."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import QueuePool

from fw_core.database.turns import Turns
from fw_core.outside import going_to

CONNECT_TIMEOUT = 4
"""Seconds for each address of the server; libpq takes whole seconds, at least 2."""

STATEMENT_TIMEOUT_MS = 15_000
"""Longer than any statement of fw takes, shorter than anybody waits; migrations lift it."""

SQLITE_BUSY_SECONDS = 30.0

TURN_SECONDS = 30.0
"""How long a thread waits for its turn on the connection."""

_engines: dict[str, Engine] = {}
_turns: dict[str, Turns] = {}
_left_behind: list[Engine] = []
_lock = Lock()


def engine_for(url: str) -> Engine:
    """Return this process's engine for ``url``: always the same one, with one connection.

    Threads take turns on the connection. Nothing is connected before the first use.

    There is no ping before a use: it would double the round trips of a stored result. A dead
    connection shows itself at the statement, which is then run again on a new one.
    """
    going_to(url)
    with _lock:
        engine = _engines.get(url)
        if engine is None:
            engine = _engines[url] = _make(url)
        return engine


@contextmanager
def turn_on(url: str) -> Generator[Engine, None, None]:
    """Wait for this thread's turn on the connection to ``url``, and give its engine."""
    with _lock:
        turns = _turns.setdefault(url, Turns())
    with turns.turn(timeout=TURN_SECONDS):
        yield engine_for(url)


def close_connections(url: str | None = None) -> None:
    """Close the kept connection to ``url``, or to all; the next use opens a new one.

    A database in memory is gone with its connection.
    """
    with _lock:
        chosen = list(_engines) if url is None else [url]
        closing = [_engines.pop(key) for key in chosen if key in _engines]
    for engine in closing:
        engine.dispose()


def transactional(engine: Engine) -> Engine:
    """The same engine, for work of several statements in one transaction.

    Plain, each statement is a transaction of its own: one round trip, with no BEGIN and COMMIT
    around it.
    """
    if engine.dialect.name == "sqlite":
        return engine.execution_options(fw_transaction=True)
    return engine.execution_options(isolation_level="READ COMMITTED")


def _make(url: str) -> Engine:
    parsed = make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    common: dict[str, Any] = {
        "poolclass": QueuePool,
        "pool_size": 1,
        "max_overflow": 0,
        "pool_timeout": TURN_SECONDS,
        # Errors must not show what a task returned.
        "hide_parameters": True,
    }
    if is_sqlite:
        arguments = {"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False}
        engine = create_engine(parsed, connect_args=arguments, **common)
        _prepare_sqlite(engine, parsed)
        return engine
    arguments = _postgresql_arguments(parsed)
    return create_engine(parsed, connect_args=arguments, isolation_level="AUTOCOMMIT", **common)


def _postgresql_arguments(url: URL) -> dict[str, Any]:
    given = url.query.get("options", "")
    options = given if isinstance(given, str) else " ".join(given)
    defaults = {
        "application_name": "fw",
        # A cluster made in the C locale says SQL_ASCII, and the driver would refuse the rest.
        "client_encoding": "utf8",
        "connect_timeout": CONNECT_TIMEOUT,
        # A server that vanished without a word is noticed in seconds, not in two hours.
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }
    arguments: dict[str, Any] = {k: v for k, v in defaults.items() if k not in url.query}
    # Later options win, so that what the URL says is kept.
    arguments["options"] = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} {options}".rstrip()
    return arguments


def _prepare_sqlite(engine: Engine, url: URL) -> None:
    @event.listens_for(engine, "do_connect")
    def make_directory(*_: Any) -> None:
        if url.database and url.database != ":memory:" and not url.database.startswith("file:"):
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # The driver's own BEGIN comes late and deferred: two writers would then fail at once
        # with "database is locked" instead of waiting for each other.
        connection.isolation_level = None
        cursor = connection.cursor()
        try:
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=NORMAL")
        finally:
            cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("fw_transaction"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def _forget_after_fork() -> None:
    """Leave the parent's connections alone: closing them here would end them for the parent."""
    global _lock
    _lock = Lock()  # another thread of the parent may have held the old one
    _left_behind.extend(_engines.values())  # kept, so that no destructor closes them either
    _engines.clear()
    _turns.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
