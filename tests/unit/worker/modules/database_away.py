"""A database that does not answer, for the tests of what a worker does meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fw_core.client import current_app
from fw_core.errors import ResultStoreError


class Away:
    """A database that does not answer."""

    def statement(self, work: Any, *, timeout: float) -> Any:
        """Raise what a database raises that is away."""
        raise ResultStoreError(database="postgresql://db", cause="connection refused", fix="wait")

    transaction = statement


@contextmanager
def database_away() -> Iterator[None]:
    """Take the database of the current app away, for the block."""
    backend: Any = current_app().backend
    there, backend.database = backend.database, Away()
    try:
        yield
    finally:
        backend.database = there
        backend._away_until = 0.0
