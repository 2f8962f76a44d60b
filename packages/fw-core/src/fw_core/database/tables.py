"""The tables, as the migrations leave them; every name starts with ``fw_``.

They are written for two databases and for grouped writes: a row carries all of its values, no
column is filled in by the database, and JSON is kept as text. (``jsonb`` would reorder keys and
refuse a NUL in a text; a result must come back as it was returned.)
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Dialect, Integer, MetaData, Table, Text
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """A time with its zone, on SQLite as well, which keeps none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Write UTC where the zone is not kept."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read what has no zone as UTC."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


metadata = MetaData(naming_convention={"pk": "%(table_name)s_pkey"})

VERSION_TABLE = "fw_alembic_version"
"""A table of its own, so that fw can live beside a team's own migrations."""

results = Table(
    "fw_results",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("task_name", Text),
    Column("state", Text, nullable=False),
    Column("result", Text),  # JSON
    Column("error_type", Text),
    Column("error_message", Text),
    Column("traceback", Text),
    Column("children", Text),  # JSON: the calls that the task made
    Column("attempts", Integer, nullable=False),  # 0: never ran
    Column("created_at", Moment, nullable=False),  # when the first state was stored
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("parent_id", Text),
    Column("root_id", Text),
    Column("group_id", Text),
    Column("worker", Text),
)

groups = Table(
    "fw_groups",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("members", Text, nullable=False),  # JSON: the ids, nested as the group is
    Column("created_at", Moment, nullable=False),
)

joins = Table(
    "fw_joins",
    metadata,
    Column("join_id", Text, primary_key=True),
    Column("size", BigInteger),  # None: no message has told it yet
    Column("added", BigInteger, nullable=False),  # members added while it ran
    Column("ended", BigInteger, nullable=False),  # members that have ended
    Column("claimed_by", Text),  # the member whose end sends what waits for the join
    Column("claimed_at", Moment),
    Column("fired_at", Moment),
    Column("created_at", Moment, nullable=False),
)

join_members = Table(
    "fw_join_members",
    metadata,
    Column("join_id", Text, primary_key=True),
    Column("member_id", Text, primary_key=True),
    Column("position", Integer),
    Column("task_name", Text),
    Column("state", Text, nullable=False),
    Column("result", Text),  # JSON
    Column("error_type", Text),
    Column("error_message", Text),
    Column("ended_at", Moment),
)
