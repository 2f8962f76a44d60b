"""The SQL of dead letters: kept once, found by filter, counted, moved from state to state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from fw_core.database.tables import dead_letters, starts
from fw_core.results.statements import insert_for
from fw_worker.dead_letters.letter import DeadLetter, State, content_id

WAITING = (State.DEAD, State.REPLAYING)
"""The states of what waits for a decision; a replay that was broken off is to be taken up."""

_LARGE = {"body", "traceback"}

OLDER = "a newer dead letter of the same call was replayed"

_columns = dead_letters.c


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """Which dead letters are meant; what is not given is not asked for.

    Attributes:
        task: The task's name.
        queue: The team's queue.
        error: The type of the last error, with or without its module.
        cause: What kind of end it was.
        states: Any of these.
        since: Died at that time or later.
        until: Died before that time.
    """

    task: str | None = None
    queue: str | None = None
    error: str | None = None
    cause: str | None = None
    states: tuple[str, ...] = WAITING
    since: datetime | None = None
    until: datetime | None = None


def insert(connection: Connection, letters: Sequence[DeadLetter]) -> None:
    """Keep dead letters, each once however often it is collected.

    A foreign sender may give one id to several messages: a letter whose id is taken by another
    message is kept under an id of its own.
    """
    statement = insert_for(connection.dialect.name)(dead_letters).on_conflict_do_nothing()
    connection.execute(statement, [letter.values() for letter in letters])
    ids = [letter.dead_id for letter in letters]
    found = connection.execute(
        select(_columns.dead_id, _columns.task_id, _columns.body).where(_columns.dead_id.in_(ids))
    )
    kept = {row.dead_id: (row.task_id, bytes(row.body)) for row in found}
    clashes = [
        replace(letter, dead_id=content_id(letter.task_id, letter.body))
        for letter in letters
        if kept[letter.dead_id] != (letter.task_id, letter.body)
    ]
    if clashes:
        connection.execute(statement, [letter.values() for letter in clashes])


def touch(connection: Connection) -> None:
    """Fail if dead letters cannot be kept at all."""
    connection.execute(select(_columns.dead_id).limit(1))


def newest(connection: Connection, wanted: Filter, *, limit: int) -> list[DeadLetter]:
    """The dead letters of a filter that died last."""
    statement = select(dead_letters).where(_matches(wanted)).limit(limit)
    statement = statement.order_by(_columns.died_at.desc(), _columns.dead_id.desc())
    return [_letter(row) for row in connection.execute(statement).mappings()]


def page(
    connection: Connection,
    wanted: Filter,
    *,
    after: DeadLetter | None,
    limit: int,
    is_brief: bool = False,
) -> list[DeadLetter]:
    """The dead letters of a filter that died first, after the last one of the page before.

    Args:
        connection: To the database.
        wanted: The filter.
        after: The last one of the page before.
        limit: At most so many.
        is_brief: Leave the bodies and tracebacks in the database.
    """
    key = tuple_(_columns.died_at, _columns.dead_id)
    read = [each for each in _columns if not (is_brief and each.name in _LARGE)]
    statement = select(*read).where(_matches(wanted)).limit(limit)
    if after is not None:
        at = literal(after.died_at, _columns.died_at.type)
        statement = statement.where(key > tuple_(at, literal(after.dead_id)))
    statement = statement.order_by(_columns.died_at, _columns.dead_id)
    return [_letter(row) for row in connection.execute(statement).mappings()]


def newest_of_calls(connection: Connection, task_ids: Sequence[str]) -> dict[str, str]:
    """For each call the dead letter that died last, of those that wait for a decision."""
    is_meant = and_(_columns.task_id.in_(task_ids), _columns.state.in_(WAITING))
    statement = select(_columns.task_id, _columns.dead_id).where(is_meant)
    rows = connection.execute(statement.order_by(_columns.died_at, _columns.dead_id))
    return {row.task_id: row.dead_id for row in rows}


def find_ids(connection: Connection, ids: Sequence[str]) -> list[DeadLetter]:
    """The dead letters with these ids, which may be those of calls; oldest first."""
    is_meant = or_(_columns.dead_id.in_(ids), _columns.task_id.in_(ids))
    statement = select(dead_letters).where(is_meant).order_by(_columns.died_at, _columns.dead_id)
    return [_letter(row) for row in connection.execute(statement).mappings()]


def count_by_cause(connection: Connection, wanted: Filter) -> dict[str, int]:
    """How many dead letters of a filter there are of each cause, most first."""
    number = func.count().label("number")
    statement = select(_columns.cause, number).where(_matches(wanted)).group_by(_columns.cause)
    rows = connection.execute(statement.order_by(number.desc(), _columns.cause))
    return {row.cause: int(row.number) for row in rows}


def begin_replay(
    connection: Connection, letters: Iterable[tuple[str, str]], now: datetime
) -> set[str]:
    """Note for each ``(dead_id, replay_id)`` that it is about to be sent under that id.

    Returns:
        The ``dead_id`` of those that still waited; the others are not to be sent.
    """
    return {
        dead_id
        for dead_id, replay_id in letters
        if _move(connection, [dead_id], WAITING, State.REPLAYING, now, replay_id=replay_id)
    }


def end_replay(connection: Connection, dead_ids: Sequence[str], now: datetime) -> None:
    """Note that these were sent, and that nothing is left to do for older ones of their calls."""
    _move(connection, dead_ids, WAITING, State.REPLAYED, now)
    sent, older = dead_letters.alias(), _columns
    has_newer = exists().where(
        sent.c.dead_id.in_(dead_ids),
        sent.c.task_id == older.task_id,
        tuple_(sent.c.died_at, sent.c.dead_id) > tuple_(older.died_at, older.dead_id),
    )
    ended = {"state": State.REPLAYED, "state_at": now, "note": OLDER}
    connection.execute(
        update(dead_letters).where(older.state.in_(WAITING), has_newer).values(ended)
    )


def undo_replay(connection: Connection, dead_ids: Sequence[str], now: datetime) -> None:
    """Note that these were not sent after all, and wait as before."""
    _move(connection, dead_ids, (State.REPLAYING,), State.DEAD, now, replay_id=None)


def discard(connection: Connection, dead_ids: Sequence[str], reason: str, now: datetime) -> int:
    """Note that these are not needed, and why; returns how many still waited."""
    return _move(connection, dead_ids, WAITING, State.DISCARDED, now, note=reason)


def prune(connection: Connection, *, before: datetime, most: int) -> int:
    """Delete up to ``most`` letters that were replayed or discarded before a time."""
    is_old = and_(_columns.state.in_((State.REPLAYED, State.DISCARDED)), _columns.state_at < before)
    oldest = select(_columns.dead_id).where(is_old).limit(most)
    return connection.execute(delete(dead_letters).where(_columns.dead_id.in_(oldest))).rowcount


def prune_starts(connection: Connection, *, before: datetime, most: int) -> int:
    """Delete up to ``most`` counts of starts that nothing was added to since a time."""
    oldest = select(starts.c.message_id).where(starts.c.started_at < before).limit(most)
    return connection.execute(delete(starts).where(starts.c.message_id.in_(oldest))).rowcount


def _move(
    connection: Connection,
    dead_ids: Sequence[str],
    states: Sequence[str],
    state: State,
    now: datetime,
    **values: Any,
) -> int:
    is_meant = and_(_columns.dead_id.in_(dead_ids), _columns.state.in_(states))
    changes = {"state": state, "state_at": now, **values}
    return connection.execute(update(dead_letters).where(is_meant).values(changes)).rowcount


def _matches(wanted: Filter) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [_columns.state.in_(wanted.states)]
    for column, value in (
        (_columns.task_name, wanted.task),
        (_columns.queue, wanted.queue),
        (_columns.cause, wanted.cause),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.error is not None:
        ends_so = _columns.error_type.endswith(f".{wanted.error}", autoescape=True)
        conditions.append(or_(_columns.error_type == wanted.error, ends_so))
    if wanted.since is not None:
        conditions.append(_columns.died_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(_columns.died_at < wanted.until)
    return and_(*conditions)


def _letter(row: Any) -> DeadLetter:
    values: dict[str, Any] = dict(row)
    values["body"] = bytes(values.get("body", b""))  # psycopg2 gives a view
    return DeadLetter(**values)
