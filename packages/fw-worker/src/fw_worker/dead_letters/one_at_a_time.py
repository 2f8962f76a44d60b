"""One replay at a time: two at once would send the same letters twice."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import make_url, text

from fw_core.broker.app import App
from fw_core.errors import ReplayRunning, ResultStoreError

_KEY = 0x66775F72706C  # "fw_rpl": a session's lock on PostgreSQL, gone with its connection


@contextmanager
def one_replay(app: App) -> Iterator[Callable[[], None]]:
    """Keep other replays out until the block ends, or this process does.

    Gives what makes sure of it once more: a lock is gone when its connection was lost.

    Raises:
        ReplayRunning: there is another one.
        ResultStoreError: the database does not answer.
    """
    url = make_url(app.backend.url)
    if url.get_backend_name() == "sqlite":
        if (
            url.database in {None, ":memory:"} or url.query.get("mode") == "memory"
        ):  # no other process has it
            yield lambda: None
            return
        with _file_lock(url.database or ""):
            yield lambda: None
        return

    def make_sure() -> None:
        # A session that has the lock gets it again.
        if not _ask(app, "SELECT pg_try_advisory_lock(:key)"):
            raise ReplayRunning

    make_sure()
    try:
        yield make_sure
    finally:
        with suppress(ResultStoreError):  # the lock is gone with the connection
            _ask(app, "SELECT pg_advisory_unlock_all()")


def _ask(app: App, statement: str) -> Any:
    return app.backend.database.statement(
        lambda connection: connection.scalar(
            text(statement), {"key": _KEY} if ":key" in statement else {}
        ),
        timeout=0,
    )


@contextmanager
def _file_lock(database: str) -> Iterator[None]:
    name = sha256(str(Path(database).absolute()).encode()).hexdigest()[:16]
    with Path(tempfile.gettempdir(), f"fw-replay-{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ReplayRunning from None
        yield
