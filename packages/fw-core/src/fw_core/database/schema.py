"""The tables' version: brought up to date by a command, on SQLite by itself."""

from __future__ import annotations

import os
import time
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Engine, Table, inspect, select, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.schema import Column, MetaData
from sqlalchemy.types import String

from fw_core.database.engine import engine_for, transactional
from fw_core.database.faults import store_error
from fw_core.database.tables import VERSION_TABLE, metadata

HEAD = "0003"
"""The newest revision; kept here so that to compare needs no Alembic."""

MIGRATIONS = Path(__file__).parent / "migrations"

_LOCK_KEY = 0x66775F6462  # "fw_db": held by whoever upgrades a PostgreSQL database
_UPGRADE_SECONDS = 60.0

_version = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32)))
_current_locals: WeakSet[Engine] = WeakSet()
_alembic_lock = Lock()  # Alembic keeps the running migration in module globals


def upgrade(url: str) -> list[str]:
    """Bring the tables behind ``url`` up to date and return the names of what was applied.

    Two processes may do so at once: the second waits, finds nothing left to do and returns
    an empty list. All of it is one transaction: an upgrade that fails leaves nothing behind.

    Raises:
        ResultStoreError: the database cannot be reached or changed.
    """
    deadline = time.monotonic() + _UPGRADE_SECONDS
    while True:
        try:
            with transactional(engine_for(url)).begin() as connection:
                return _upgrade_alone(connection)
        except OperationalError as error:
            # SQLite refuses some locks at once instead of waiting (the change to WAL is one).
            if "locked" not in str(error.orig) or time.monotonic() > deadline:
                raise store_error(url, error) from None
            time.sleep(0.05)
        except (SQLAlchemyError, OSError) as error:
            raise store_error(url, error) from None


def is_current(url: str) -> bool:
    """Whether the tables behind ``url`` are those of this fw.

    Raises:
        ResultStoreError: the database cannot be reached.
    """
    try:
        with engine_for(url).begin() as connection:
            return _is_current(connection)
    except (SQLAlchemyError, OSError) as error:
        raise store_error(url, error) from None


def differences(url: str) -> list[str]:
    """What would have to change for the tables behind ``url`` to be those of this fw.

    Raises:
        ResultStoreError: the database cannot be reached.
    """
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    options = {"version_table": VERSION_TABLE, "compare_type": True, "include_name": is_ours}
    try:
        with engine_for(url).connect() as connection:
            context = MigrationContext.configure(connection, opts=options)
            return [str(change) for change in compare_metadata(context, metadata)]
    except (SQLAlchemyError, OSError) as error:
        raise store_error(url, error) from None


def is_ours(name: str | None, kind: str, _: Any) -> bool:
    """Whether a table is fw's: those of a team's own migrations are left alone."""
    return kind != "table" or (name or "").startswith("fw_")


def ensure_local(url: str) -> None:
    """Upgrade a database on this machine at its first use in a process; touch no other."""
    if not url.startswith("sqlite"):
        return
    # By engine, not by URL: one that was closed and made again may find an empty database.
    engine = engine_for(url)
    if engine not in _current_locals:
        if not is_current(url):
            upgrade(url)
        _current_locals.add(engine)


def _is_current(connection: Connection) -> bool:
    if not inspect(connection).has_table(VERSION_TABLE):
        return False
    return list(connection.scalars(select(_version.c.version_num))) == [HEAD]


def _upgrade_alone(connection: Connection) -> list[str]:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
    if _is_current(connection):
        return []
    # Half a second to import: only who upgrades pays it.
    from alembic import command
    from alembic.config import Config

    applied: list[str] = []

    def note(*, step: Any, **_: Any) -> None:
        applied.append(step.up_revision.revision + " " + step.up_revision.doc)

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes.update(connection=connection, note=note)
    with _alembic_lock:
        command.upgrade(config, "head")
    return applied


def _fresh_lock() -> None:
    global _alembic_lock
    _alembic_lock = Lock()  # another thread of the parent may have held the old one


os.register_at_fork(after_in_child=_fresh_lock)
