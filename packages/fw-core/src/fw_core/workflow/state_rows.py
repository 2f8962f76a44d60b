"""The SQL of workflows: one row a workflow, and for each step the row of its result.

A workflow's end is that of its last step, whose call has the workflow's id. So a step that ends
costs no more statements than any other task; one that begins costs one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    bindparam,
    case,
    delete,
    exists,
    literal_column,
    or_,
    select,
    update,
)

from fw_core.database.tables import results, workflows
from fw_core.results.rows import FINAL, ResultRow, decode
from fw_core.results.statements import insert_for

_OWN = workflows.c
_STEP = results.alias("any_step").c


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRow:
    """One workflow, with what is stored of its last step.

    Attributes:
        workflow_id: Its id.
        plan: Its plan as plain data.
        data: What its first step got.
        created_at: When it was started.
        sent_at: When its first steps were known to be in their queues.
        cancelled_at: When it was cancelled, if it was.
        has_begun: Whether anything is known of a step.
        last: The row of its last step, if there is one.
    """

    workflow_id: str
    plan: Any
    data: Any
    created_at: datetime
    sent_at: datetime | None
    cancelled_at: datetime | None
    has_begun: bool
    last: ResultRow | None


def add(connection: Connection, *, workflow_id: str, plan: str, data: str, now: datetime) -> bool:
    """Note a workflow before its first step is sent; whether it is new.

    Args:
        connection: The connection.
        workflow_id: Its id.
        plan: Its plan as JSON.
        data: What its first step gets, as JSON.
        now: The time.
    """
    values = {"workflow_id": workflow_id, "plan": plan, "data": data, "created_at": now}
    insert = insert_for(connection.dialect.name)(workflows).values(values)
    added = connection.execute(insert.on_conflict_do_nothing(index_elements=[_OWN.workflow_id]))
    return added.rowcount == 1


def mark_sent(connection: Connection, workflow_id: str, *, now: datetime) -> None:
    """Note that a workflow's first steps are in their queues."""
    is_meant = _OWN.workflow_id == workflow_id
    connection.execute(update(workflows).where(is_meant).values(sent_at=now))


def forget(connection: Connection, workflow_id: str) -> None:
    """Delete a workflow of which nothing was sent."""
    connection.execute(delete(workflows).where(_OWN.workflow_id == workflow_id))


def begin_step(connection: Connection, row: ResultRow, workflow_id: str) -> bool:
    """Note that a step runs, unless it has ended; False: its workflow has been cancelled."""
    values = {**row.values(), "workflow": workflow_id}
    statement = _begin_step(connection.dialect.name)
    return connection.execute(statement, values).first() is not None


def cancel(connection: Connection, workflow_id: str, *, now: datetime) -> bool:
    """Note that none of a workflow's steps is to begin any more; whether that is new."""
    is_meant = (_OWN.workflow_id == workflow_id) & _OWN.cancelled_at.is_(None)
    done = connection.execute(update(workflows).where(is_meant).values(cancelled_at=now))
    return done.rowcount == 1


def load(connection: Connection, workflow_id: str) -> WorkflowRow | None:
    """Read one workflow; None: there is none with this id."""
    found = connection.execute(_select().where(_OWN.workflow_id == workflow_id)).mappings().first()
    return None if found is None else _row(found)


def newest(connection: Connection, *, most: int) -> list[WorkflowRow]:
    """Read the workflows that were started last, the latest first."""
    statement = _select().order_by(_OWN.created_at.desc(), _OWN.workflow_id).limit(most)
    return [_row(found) for found in connection.execute(statement).mappings()]


def steps(connection: Connection, workflow_id: str) -> list[ResultRow]:
    """Read what is known of a workflow's steps."""
    c = results.c
    statement = select(results).where(c.root_id == workflow_id, c.step.is_not(None))
    return [ResultRow(**found) for found in connection.execute(statement).mappings()]


def forget_never_run(connection: Connection, workflow_id: str) -> None:
    """Delete the failures of the steps that were given up because one before them failed."""
    c = results.c
    never_run = (c.attempts == 0) & c.state.in_(("FAILURE", "REVOKED"))
    is_step = (c.root_id == workflow_id) & c.step.is_not(None)
    is_own = is_step | (c.task_id == workflow_id)
    connection.execute(delete(results).where(is_own, never_run))


def run_again(connection: Connection, task_ids: Iterable[str]) -> None:
    """Note of failed steps that they are to run once more."""
    c = results.c
    failed = c.task_id.in_(list(task_ids)) & (c.state == "FAILURE")
    connection.execute(update(results).where(failed).values(state="RETRY", finished_at=None))


def is_cancelled(connection: Connection, workflow_id: str) -> bool:
    """Whether a workflow was cancelled."""
    found = select(_OWN.cancelled_at).where(_OWN.workflow_id == workflow_id)
    return connection.scalar(found) is not None


@cache
def _begin_step(dialect: str) -> Any:
    """The row of a step that runs; one of which more is known, and sooner, is left as it is."""
    columns = [results.c[name] for name in ResultRow.__slots__]
    is_cancelled = exists().where(
        _OWN.workflow_id == bindparam("workflow"), _OWN.cancelled_at.is_not(None)
    )
    given = [bindparam(each.name, type_=each.type).label(each.name) for each in columns]
    insert = insert_for(dialect)(results).from_select(
        [each.name for each in columns], select(*given).where(~is_cancelled)
    )
    old, new = results.c, insert.excluded
    has_ended = or_(*(old.state == literal_column(repr(name)) for name in sorted(FINAL)))
    # This may be stored late, after the attempt has failed and its retry was sent.
    is_late = (old.state != literal_column("'STARTED'")) & (old.attempts >= new.attempts)

    def unless_known(name: str) -> Any:
        return case((has_ended | is_late, old[name]), else_=new[name])

    replaced = {name: unless_known(name) for name in ("state", "started_at", "attempts", "worker")}
    return insert.on_conflict_do_update(
        index_elements=[old.task_id], set_={**replaced, "step": new.step}
    ).returning(old.task_id)


def _select() -> Select[Any]:
    begun = exists().where(_STEP.root_id == _OWN.workflow_id, _STEP.step.is_not(None))
    last = [each.label(f"last_{each.name}") for each in results.c]
    joined = workflows.outerjoin(results, results.c.task_id == _OWN.workflow_id)
    return select(*_OWN, begun.label("has_begun"), *last).select_from(joined)


def _row(found: Any) -> WorkflowRow:
    last = {name: found[f"last_{name}"] for name in ResultRow.__slots__}
    return WorkflowRow(
        workflow_id=found["workflow_id"],
        plan=decode(found["plan"]),
        data=decode(found["data"]),
        created_at=found["created_at"],
        sent_at=found["sent_at"],
        cancelled_at=found["cancelled_at"],
        has_begun=bool(found["has_begun"]),
        last=ResultRow(**last) if last["task_id"] is not None else None,
    )
