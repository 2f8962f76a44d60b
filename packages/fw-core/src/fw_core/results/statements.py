"""The SQL of results: one statement for each thing that is stored or read.

Which state wins: a success stays, whatever comes later but another success. A failure gives way
to a success or another failure (a replay), not to STARTED or RETRY (an attempt that was delivered
twice). Of the states before the end the last one wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from fw_core.database.tables import groups, results
from fw_core.results.rows import FAILURES, FINAL, SUCCESS, ResultRow, decode

_LOAD_ONE = select(results).where(results.c.task_id == bindparam("id"))


def store(connection: Connection, row: ResultRow) -> None:
    """Store one state of one task."""
    connection.execute(_upsert_result(connection.dialect.name), row.values())


def store_first(connection: Connection, row: ResultRow) -> None:
    """Store the end of one task, unless an end of it is stored."""
    connection.execute(_upsert_first(connection.dialect.name), row.values())


def store_all(connection: Connection, rows: Iterable[ResultRow]) -> None:
    """Store one state each of several tasks with one statement.

    In the order of their ids, so that two processes that store the same ones wait for each other
    and not both for the other; of one task the last state given.
    """
    by_id = {row.task_id: row for row in rows}
    values = [by_id[task_id].values() for task_id in sorted(by_id)]
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection.execute(*_by_columns(values))
    else:
        connection.execute(_upsert_result(dialect), values)


def load(connection: Connection, task_ids: Iterable[str]) -> dict[str, ResultRow]:
    """Read the rows of several tasks at once; those without a row are left out."""
    ids = list(task_ids)
    if len(ids) == 1:  # most are: one statement, made once
        found = connection.execute(_LOAD_ONE, {"id": ids[0]})
    else:
        found = connection.execute(select(results).where(results.c.task_id.in_(ids)))
    return {row["task_id"]: ResultRow(**row) for row in found.mappings()}


def forget(connection: Connection, task_id: str) -> None:
    """Delete what is stored of one task."""
    connection.execute(delete(results).where(results.c.task_id == task_id))


def store_group(connection: Connection, values: dict[str, Any]) -> None:
    """Store which calls make up a group."""
    connection.execute(_upsert_group(connection.dialect.name), values)


def load_group(connection: Connection, group_id: str) -> Any:
    """Read which calls make up a group; None if it was not stored."""
    statement = select(groups.c.members).where(groups.c.group_id == group_id)
    return decode(connection.scalar(statement))


def forget_group(connection: Connection, group_id: str) -> None:
    """Delete a stored group; its members' results stay."""
    connection.execute(delete(groups).where(groups.c.group_id == group_id))


def insert_for(dialect: str) -> Any:
    """The ``INSERT`` that knows ``ON CONFLICT``."""
    return postgresql.insert if dialect == "postgresql" else sqlite.insert


@cache
def _upsert_result(dialect: str) -> Any:
    return _replacing(insert_for(dialect)(results))


@cache
def _upsert_first(dialect: str) -> Any:
    insert = insert_for(dialect)(results)
    no_end = and_(*(results.c.state != literal_column(repr(name)) for name in sorted(FINAL)))
    return _replacing(insert, only_if=no_end)


def _by_columns(rows: list[dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
    """The statement for some rows and its values: what all rows have in common is said once.

    Most rows that are stored together are successes of one task in one worker, so that half of
    what there is to send and to read is left out.
    """
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    task_ids = columns.pop("task_id")
    alike = {name: own[0] for name, own in columns.items() if own.count(own[0]) == len(own)}
    shared = {name: value for name, value in alike.items() if value is not None}
    arrays = {name: own for name, own in columns.items() if name not in alike}
    statement = _upsert_columns(("task_id", *arrays), tuple(shared))
    return statement, {"task_id": task_ids, **arrays, **shared}


@lru_cache(maxsize=256)
def _upsert_columns(arrays: tuple[str, ...], shared: tuple[str, ...]) -> Any:
    """Rows as one array a column: one statement and one text of it, however many there are."""

    def given(name: str) -> ColumnElement[Any]:
        kind = results.c[name].type
        return cast(bindparam(name), postgresql.ARRAY(kind) if name in arrays else kind)

    rows = func.unnest(*map(given, arrays)).table_valued(*arrays).render_derived()
    insert = insert_for("postgresql")(results)
    values = [rows.c[name] for name in arrays] + [given(name) for name in shared]
    return _replacing(insert.from_select([*arrays, *shared], select(*values)))


def _replacing(insert: Any, *, only_if: Any = None) -> Any:
    """``insert``, where a row that is there gives way to one that outranks it, or as is said."""
    new = insert.excluded
    old = results.c
    replaced = {
        name: new[name]
        for name in (
            "state",
            "result",
            "error_type",
            "error_message",
            "traceback",
            "children",
            "finished_at",
        )
    }
    # A failure that is reported without its message must not wipe out what is known.
    kept = {
        name: func.coalesce(new[name], old[name])
        for name in (
            "task_name",
            "started_at",
            "parent_id",
            "root_id",
            "group_id",
            "worker",
            "step",
        )
    }
    attempts = case((new.attempts == literal_column("0"), old.attempts), else_=new.attempts)
    return insert.on_conflict_do_update(
        index_elements=[old.task_id],
        set_={**replaced, **kept, "attempts": attempts},
        where=_rank(new.state) >= _rank(old.state) if only_if is None else only_if,
    )


@cache
def _upsert_group(dialect: str) -> Any:
    insert = insert_for(dialect)(groups)
    return insert.on_conflict_do_update(
        index_elements=[groups.c.group_id], set_={"members": insert.excluded.members}
    )


def _rank(state: ColumnElement[str]) -> ColumnElement[int]:
    # The states as literals: values outside of VALUES would keep rows from being sent together.
    has_failed = or_(*(state == literal_column(repr(name)) for name in sorted(FAILURES)))
    return case(
        (state == literal_column(repr(SUCCESS)), literal_column("2")),
        (has_failed, literal_column("1")),
        else_=literal_column("0"),
    )
