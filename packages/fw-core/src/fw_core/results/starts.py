"""The SQL of starts: how often a message that was delivered before has been started.

Only such messages have a row. It is kept by the message, not by the call: each retry is a message
of its own.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, update

from fw_core.database.tables import starts
from fw_core.results.statements import insert_for


def count(connection: Connection, row: dict[str, Any]) -> int:
    """Count one more start and return how many there have been."""
    counted: int = connection.execute(_upsert(connection.dialect.name), row).scalar_one()
    return counted


def take_back(connection: Connection, message_id: str) -> None:
    """Uncount the last start: the message goes back for another reason than a worker's end."""
    is_this = starts.c.message_id == message_id
    connection.execute(update(starts).where(is_this).values(starts=starts.c.starts - 1))


@cache
def _upsert(dialect: str) -> Any:
    insert = insert_for(dialect)(starts)
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=[starts.c.message_id],
        set_={
            "starts": starts.c.starts + 1,
            "started_at": new.started_at,
            "worker": new.worker,
        },
    ).returning(starts.c.starts)
