"""One replay at a time: two at once would send the same letters twice."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import make_url, text

from fw_core.broker.app import App
from fw_core.errors import ReplayRunning

_KEY = 0x66775F72706C  # "fw_rpl": a session's lock on PostgreSQL, gone with its connection


@contextmanager
def one_replay(app: App) -> Iterator[None]:
    """Keep other replays out until the block ends, or this process does.

    Raises:
        ReplayRunning: there is another one.
        ResultStoreError: the database does not answer.
    """
    url = make_url(app.backend.url)
    if url.get_backend_name() == "sqlite":
        with _file_lock(url.database or ""):
            yield
        return
    if not _ask(app, "SELECT pg_try_advisory_lock(:key)"):
        raise ReplayRunning
    try:
        yield
    finally:
        _ask(app, "SELECT pg_advisory_unlock(:key)")


def _ask(app: App, statement: str) -> Any:
    return app.backend.database.statement(
        lambda connection: connection.scalar(text(statement), {"key": _KEY}), timeout=0
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
