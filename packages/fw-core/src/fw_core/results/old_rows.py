"""The SQL that deletes what has been kept for long enough, some rows at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, Table, delete, select

from fw_core.database.tables import groups, join_members, joins, results, workflows


class Prune(Protocol):
    """Deletes up to ``most`` rows that were made ``before`` a moment; returns how many."""

    def __call__(self, connection: Connection, /, before: datetime, most: int) -> int:
        """Delete them on this connection."""
        ...  # pragma: no cover


def prune_results(connection: Connection, before: datetime, most: int) -> int:
    """Delete old results, and with them the steps of old workflows."""
    return _prune(connection, results, results.c.task_id, before, most)


def prune_workflows(connection: Connection, before: datetime, most: int) -> int:
    """Delete old workflows."""
    return _prune(connection, workflows, workflows.c.workflow_id, before, most)


def prune_groups(connection: Connection, before: datetime, most: int) -> int:
    """Delete the old lists of which calls make up a group."""
    return _prune(connection, groups, groups.c.group_id, before, most)


def prune_joins(connection: Connection, before: datetime, most: int) -> int:
    """Delete old joins with their members: joins first, so that none is left without some."""
    old = _oldest(joins, joins.c.join_id, before, most)
    ids = list(connection.scalars(old))
    connection.execute(delete(joins).where(joins.c.join_id.in_(ids)))
    connection.execute(delete(join_members).where(join_members.c.join_id.in_(ids)))
    return len(ids)


EVERY_KIND: tuple[Prune, ...] = (prune_results, prune_workflows, prune_groups, prune_joins)


def _prune(connection: Connection, table: Table, key: Any, before: datetime, most: int) -> int:
    chosen = key.in_(_oldest(table, key, before, most))
    return connection.execute(delete(table).where(chosen)).rowcount


def _oldest(table: Table, key: Any, before: datetime, most: int) -> Any:
    return select(key).where(table.c.created_at < before).limit(most)
