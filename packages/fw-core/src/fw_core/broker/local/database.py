"""One SQLite connection per store and process, used by one thread at a time, never across a fork.

SQLite has one writer anyway, so a lock in the process costs nothing and saves the busy waiting that
several connections would do against each other.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sqlite3
import threading
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from fw_core.broker.local import location, schema
from fw_core.broker.local.errors import ForeignMemoryStoreError, NotABrokerFileError
from fw_core.broker.local.locks import LockFile, lock_file

BUSY_TIMEOUT_SECONDS = 30.0


class FileReplacedError(sqlite3.OperationalError):
    """The broker's file was removed or replaced; whoever reconnects gets the new one."""


class Database:
    """The connection to a store's tables; opened at first use and again after a fork.

    Args:
        path: The file, or ``None`` for a database in this process's memory.
        name: How errors call it.
    """

    def __init__(self, path: Path | None, *, name: str) -> None:
        self.path = path
        self.name = name
        self._turn = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._on_collected = weakref.finalize(self, _nothing)
        self._inode: tuple[int, int] | None = None
        self._locks: LockFile | None = None
        self._foreign = False
        with _registry:
            _databases.add(self)

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """Use the connection; each statement stands alone."""
        with self._turn:
            yield self._opened()

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """Use the connection as the only writer; all of it is kept, or nothing."""
        with self._turn:
            connection = self._opened()
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
            except BaseException:
                # A full disk rolls back by itself, and then there is nothing left to undo.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @property
    def locks(self) -> LockFile | None:
        """The side file with the owners' locks, as it was when the file was opened.

        ``None`` in memory, where nobody can be killed alone.
        """
        return self._locks

    def close(self) -> None:
        """Let go of the file; the next use opens it again. A database in memory is gone."""
        with self._turn:
            if self._connection is None or self._foreign:
                return
            self._connection = None
            if self._locks is None:
                self._on_collected()
                return
            with self._locks.opening():
                self._on_collected()

    def _opened(self) -> sqlite3.Connection:
        if self._foreign:
            raise ForeignMemoryStoreError(name=self.name)
        # Without this look, a producer would go on writing into a file that no worker can see.
        if self._connection is not None and self.path is not None:
            if _inode(self.path) == self._inode:
                return self._connection
            self.close()
        if self._connection is None:
            self._connection = self._open()
            self._on_collected = weakref.finalize(self, self._connection.close)
        if self.path is not None:
            known, self._inode = self._inode, _inode(self.path)
            if known not in (None, self._inode):
                raise FileReplacedError(f"the broker file {self.path} was removed or replaced")
        return self._connection

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            connection = _connect(":memory:")
            with _registry:
                _empty_store().backup(connection)
            return connection
        location.prepare(self.path)
        self._locks = lock_file(self.path.with_name(self.path.name + ".locks"))
        with self._locks.opening():
            connection = _connect(str(self.path))
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                version = schema.install(connection)
            except sqlite3.DatabaseError as error:
                connection.close()
                if isinstance(error, sqlite3.OperationalError):
                    raise
                raise NotABrokerFileError(path=self.path, cause=str(error)) from error
            if version != schema.VERSION:
                connection.close()
                cause = f"its tables are of version {version}, not {schema.VERSION}"
                raise NotABrokerFileError(path=self.path, cause=cause)
        return connection

    def before_fork(self) -> None:
        """Close the file, so that no SQLite state is shared with the child."""
        self._turn.acquire()
        if self.path is not None:
            self.close()

    def after_fork_in_parent(self) -> None:
        """Let the threads of this process go on."""
        self._turn.release()

    def after_fork_in_child(self) -> None:
        """Start without the parent's connection."""
        self._turn = threading.RLock()
        if self._connection is not None:
            # Neither used nor closed here, not even by the interpreter's end: it is the parent's.
            self._on_collected.detach()
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._connection))
            self._connection = None
        self._foreign = self._foreign or self.path is None


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _nothing() -> None:
    return


def _connect(target: str) -> sqlite3.Connection:
    # isolation_level=None: the module must not open transactions of its own.
    return sqlite3.connect(
        target,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )


@cache
def _empty_store() -> sqlite3.Connection:
    """An empty store in memory: copying it takes a fifth of the time of making the tables.

    A forked child may go on with it: it has no file, and nobody uses it at the moment of a fork.
    """
    connection = _connect(":memory:")
    schema.install(connection)
    atexit.register(connection.close)
    return connection


_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_registry = threading.Lock()
_forking: list[Database] = []


def _before_fork() -> None:
    # SQLite keeps the locks of a file per process: a child that inherits an open handle and opens
    # the file again believes it holds locks that only its parent has (sqlite.org/howtocorrupt).
    _registry.acquire()
    _forking[:] = sorted(_databases, key=id)
    for database in _forking:
        database.before_fork()


def _after_fork_in_parent() -> None:
    for database in reversed(_forking):
        database.after_fork_in_parent()
    _forking.clear()
    _registry.release()


def _after_fork_in_child() -> None:
    global _registry
    _registry = threading.Lock()
    for database in list(_databases):
        database.after_fork_in_child()
    _forking.clear()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
