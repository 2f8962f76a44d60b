"""The tables, as the migrations leave them; every name starts with ``fw_``.

They are written for two databases and for grouped writes: a row carries all of its values, no
column is filled in by the database, and JSON is kept as text. (``jsonb`` would reorder keys and
refuse a NUL in a text; a result must come back as it was returned.)
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
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
    Column("step", Text),  # its place in the plan of a workflow, whose id is the root's
    Index("fw_results_created_at", "created_at", postgresql_using="brin"),
)
Index(
    "fw_results_workflow",
    results.c.root_id,
    postgresql_where=results.c.step.is_not(None),
    sqlite_where=results.c.step.is_not(None),
)

workflows = Table(
    "fw_workflows",
    metadata,
    Column("workflow_id", Text, primary_key=True),
    Column("plan", Text, nullable=False),  # JSON
    Column("data", Text, nullable=False),  # JSON: what the first step got
    Column("created_at", Moment, nullable=False),
    Column("sent_at", Moment),  # when its first steps were in their queues
    Column("cancelled_at", Moment),
    Index("fw_workflows_created_at", "created_at"),
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
    Index("fw_joins_created_at", "created_at", postgresql_using="brin"),
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

dead_letters = Table(
    "fw_dead_letters",
    metadata,
    Column("dead_id", Text, primary_key=True),  # the message's own id, where it has one
    Column("state", Text, nullable=False),  # dead, replaying, replayed, discarded
    Column("state_at", Moment, nullable=False),
    Column("note", Text),  # why it was discarded, or what could not be done for it
    Column("replay_id", Text),  # the id of the message that it was, or is being, sent again in
    Column("task_id", Text),
    Column("task_name", Text),
    Column("queue", Text),
    Column("cause", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("error_type", Text, nullable=False),
    Column("error_message", Text, nullable=False),
    Column("traceback", Text),
    Column("attempts", Integer, nullable=False),  # 0: never ran, or nobody knows
    Column("tries", Text, nullable=False),  # JSON: number, time, error and worker of each
    Column("arguments", Text),  # JSON: args and kwargs; None: they cannot be read
    Column("worker", Text),
    Column("died_at", Moment, nullable=False),
    Column("collected_at", Moment, nullable=False),
    # The message as it was, to be sent again.
    Column("headers", Text, nullable=False),  # JSON
    Column("properties", Text, nullable=False),  # JSON
    Column("content_type", Text),
    Column("content_encoding", Text),
    Column("body", LargeBinary, nullable=False),
    Index("fw_dead_letters_state_died_at", "state", "died_at"),
    Index("fw_dead_letters_task_name_died_at", "task_name", "died_at"),
    Index("fw_dead_letters_task_id", "task_id"),
)

starts = Table(
    "fw_starts",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("task_id", Text),
    Column("starts", Integer, nullable=False),
    Column("started_at", Moment, nullable=False),  # the last of them
    Column("worker", Text),
    Index("fw_starts_started_at", "started_at"),
)
