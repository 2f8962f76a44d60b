"""The SQL of joins: who has ended, and who may send what waits for all of them.

Every change holds the lock on the join's row (SQLite: the write lock), so members that end at
the same time are counted one after the other and exactly one of them finds the join full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    bindparam,
    cast,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from fw_core.database.tables import join_members, joins
from fw_core.results.rows import FAILURES, FINAL, SUCCESS
from fw_core.results.statements import insert_for

LEASE = timedelta(minutes=2)
"""After this, another member that is delivered again may send in place of the one that claimed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One task of a join and how it ended."""

    member_id: str
    position: int | None
    task_name: str | None
    state: str
    result: str | None = None
    error_type: str | None = None
    error_message: str | None = None


def end_member(
    connection: Connection, join_id: str, member: Member, *, size: int | None, now: datetime
) -> Sequence[Member] | None:
    """Count a member that has ended, once however often it is delivered.

    Returns:
        All members, if the caller is to send what waits for them; else None.
    """
    join = _lock(connection, join_id, size=size, now=now)
    if join["fired_at"] is not None:
        return _mend(connection, join_id, member, now)
    ended = join["ended"] + _record(connection, join_id, member, now)
    is_full = join["size"] is not None and ended >= join["size"] + join["added"]
    claims = is_full and _may_claim(join, member.member_id, now)
    changes: dict[str, Any] = {"ended": ended}
    if claims:
        changes.update(claimed_by=member.member_id, claimed_at=now)
    connection.execute(update(joins).where(joins.c.join_id == join_id).values(changes))
    return _members(connection, join_id) if claims else None


def end_members(
    connection: Connection,
    join_id: str,
    members: Sequence[Member],
    *,
    size: int | None,
    now: datetime,
) -> Sequence[Member] | None:
    """Count several members that have succeeded; as :func:`end_member` for each, and quicker."""
    join = _lock(connection, join_id, size=size, now=now)
    if join["fired_at"] is not None:
        mended = [_mend(connection, join_id, member, now) for member in members]
        return next((found for found in mended if found is not None), None)
    ended = join["ended"] + _record_all(connection, join_id, members, now)
    is_full = join["size"] is not None and ended >= join["size"] + join["added"]
    last = members[-1].member_id
    claims = is_full and _may_claim(join, last, now)
    changes: dict[str, Any] = {"ended": ended}
    if claims:
        changes.update(claimed_by=last, claimed_at=now)
    connection.execute(update(joins).where(joins.c.join_id == join_id).values(changes))
    return _members(connection, join_id) if claims else None


def add_member(connection: Connection, join_id: str, member_id: str, *, now: datetime) -> None:
    """Make a running join wait for one more task."""
    _lock(connection, join_id, size=None, now=now)
    if _insert(connection, join_id, {"member_id": member_id, "state": "PENDING"}):
        is_this = joins.c.join_id == join_id
        connection.execute(update(joins).where(is_this).values(added=joins.c.added + 1))


def release(connection: Connection, join_id: str) -> None:
    """Give a claim back: what waits could not be sent."""
    connection.execute(update(joins).where(joins.c.join_id == join_id).values(claimed_by=None))


def mark_fired(connection: Connection, join_id: str, *, now: datetime) -> None:
    """Note that what waits was sent, so that nobody sends it again."""
    connection.execute(update(joins).where(joins.c.join_id == join_id).values(fired_at=now))


def _mend(
    connection: Connection, join_id: str, member: Member, now: datetime
) -> Sequence[Member] | None:
    """Send what a failed join had not sent, once a replay has mended the last of its failures."""
    if member.state != SUCCESS or _state(connection, join_id, member.member_id) not in FAILURES:
        return None
    _record(connection, join_id, member, now)
    is_unmended = and_(join_members.c.join_id == join_id, join_members.c.state != SUCCESS)
    if connection.scalar(select(func.count()).select_from(join_members).where(is_unmended)):
        return None
    claim = {"fired_at": None, "claimed_by": member.member_id, "claimed_at": now}
    connection.execute(update(joins).where(joins.c.join_id == join_id).values(claim))
    return _members(connection, join_id)


def _state(connection: Connection, join_id: str, member_id: str) -> str | None:
    is_this = and_(join_members.c.join_id == join_id, join_members.c.member_id == member_id)
    return connection.scalar(select(join_members.c.state).where(is_this))


def _may_claim(join: RowMapping, member_id: str, now: datetime) -> bool:
    return join["claimed_by"] in {None, member_id} or now - join["claimed_at"] > LEASE


def _lock(connection: Connection, join_id: str, *, size: int | None, now: datetime) -> RowMapping:
    values = {"join_id": join_id, "size": size, "added": 0, "ended": 0, "created_at": now}
    return connection.execute(_upsert_join(connection.dialect.name), values).mappings().one()


@cache
def _upsert_join(dialect: str) -> Any:
    insert = insert_for(dialect)(joins)
    size = joins.c.size
    return insert.on_conflict_do_update(
        index_elements=[joins.c.join_id],
        set_={"size": func.coalesce(insert.excluded.size, size)},
    ).returning(joins)


def _record(connection: Connection, join_id: str, member: Member, now: datetime) -> int:
    """Write how the member ended and return by how many the number of ended members grows."""
    values = {
        "member_id": member.member_id,
        "position": member.position,
        "task_name": member.task_name,
        "state": member.state,
        "result": member.result,
        "error_type": member.error_type,
        "error_message": member.error_message,
        "ended_at": now,
    }
    if _insert(connection, join_id, values):
        return 1
    is_this = and_(join_members.c.join_id == join_id, join_members.c.member_id == member.member_id)
    before = _state(connection, join_id, member.member_id)
    # As with results: a success stays, a failure gives way to what a replay brings.
    if before != SUCCESS:
        connection.execute(update(join_members).where(is_this).values(values))
    return 0 if before in FINAL else 1


def _record_all(
    connection: Connection, join_id: str, members: Sequence[Member], now: datetime
) -> int:
    """Write how members ended that have succeeded; as :func:`_record` for each of them."""
    if connection.dialect.name != "postgresql" or len(members) == 1:
        return sum(_record(connection, join_id, member, now) for member in members)
    values = {
        "member_id": [member.member_id for member in members],
        "position": [member.position for member in members],
        "task_name": [member.task_name for member in members],
        "result": [member.result for member in members],
    }
    shared = {"join_id": join_id, "state": SUCCESS, "ended_at": now}
    written = set(connection.scalars(_insert_members(), {**values, **shared}))
    left = [member for member in members if member.member_id not in written]
    return len(written) + sum(_record(connection, join_id, member, now) for member in left)


@cache
def _insert_members() -> Any:
    arrays, shared = (
        ("member_id", "position", "task_name", "result"),
        ("join_id", "state", "ended_at"),
    )

    def given(name: str) -> ColumnElement[Any]:
        kind = join_members.c[name].type
        return cast(bindparam(name), postgresql.ARRAY(kind) if name in arrays else kind)

    rows = func.unnest(*map(given, arrays)).table_valued(*arrays).render_derived()
    values = [rows.c[name] for name in arrays] + [given(name) for name in shared]
    insert = postgresql.insert(join_members).from_select([*arrays, *shared], select(*values))
    return insert.on_conflict_do_nothing().returning(join_members.c.member_id)


def _insert(connection: Connection, join_id: str, values: dict[str, Any]) -> bool:
    insert = insert_for(connection.dialect.name)(join_members)
    done = connection.execute(insert.on_conflict_do_nothing(), {**values, "join_id": join_id})
    return done.rowcount == 1


def _members(connection: Connection, join_id: str) -> list[Member]:
    names = ("member_id", "position", "task_name", "state", "result", "error_type", "error_message")
    columns = [join_members.c[name] for name in names]
    statement = select(*columns).where(join_members.c.join_id == join_id)
    rows = connection.execute(statement).mappings()
    members = [Member(**row) for row in rows if row["state"] in FINAL]
    return sorted(members, key=lambda m: (m.position is None, m.position or 0, m.member_id))
