"""A stored result as a value: made from what a worker reports, turned into what a reader asks."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from kombu.utils.json import object_hook

from fw_core.attempt.failure import AttemptFailed, TaskError, describe
from fw_core.headers import LATERS, STEP

SUCCESS = "SUCCESS"
FAILURES = frozenset({"FAILURE", "REVOKED"})
FINAL = FAILURES | {SUCCESS}
WITH_ERROR = FAILURES | {"RETRY"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultRow:
    """One row of ``fw_results``; the names are those of its columns."""

    task_id: str
    state: str
    created_at: datetime
    attempts: int = 0
    task_name: str | None = None
    result: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    traceback: str | None = None
    children: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    parent_id: str | None = None
    root_id: str | None = None
    group_id: str | None = None
    worker: str | None = None
    step: str | None = None

    def values(self) -> dict[str, Any]:
        """The row as a statement takes it."""
        return {name: getattr(self, name) for name in _NAMES}

    @property
    def error(self) -> TaskError | None:
        """The error, if there was one."""
        if self.error_type is None:
            return None
        return TaskError(self.error_type, self.error_message or "", self.traceback or "")


_NAMES = tuple(field.name for field in fields(ResultRow))


def row_of(
    *,
    task_id: str,
    state: str,
    value: Any,
    traceback: str | None,
    request: Any,
    children: str | None,
    now: datetime,
) -> ResultRow:
    """The row for a state that a worker reports.

    Args:
        task_id: The call.
        state: Its new state.
        value: The result as JSON text, or the exception where the state is a failure.
        traceback: The traceback as text.
        request: The message that the attempt came from, as Celery sees it, or None.
        children: The calls that the task made, as JSON text.
        now: The time.
    """
    error = None
    if state in WITH_ERROR and value is not None:
        error = describe(value, traceback)
    return ResultRow(
        task_id=task_id,
        state=state,
        created_at=now,
        attempts=_attempts(request),
        task_name=_name(getattr(request, "task", None)),
        result=value if state not in WITH_ERROR else None,
        error_type=error.type if error else None,
        error_message=error.message if error else None,
        traceback=(error.traceback or None) if error else None,
        children=children,
        started_at=now if state == "STARTED" else getattr(request, BEGAN, None),
        finished_at=now if state in FINAL else None,
        parent_id=_name(getattr(request, "parent_id", None)),
        root_id=_name(getattr(request, "root_id", None)),
        group_id=_name(getattr(request, "group", None)),
        worker=_name(getattr(request, "hostname", None)),
        step=step_of(request),
    )


BEGAN = "fw_began"
"""On Celery's request of a workflow's step: when its attempt began."""


def step_of(request: Any) -> str | None:
    """The place of a message in its workflow's plan; None: it is part of none."""
    headers = getattr(request, "headers", None)
    return _name(headers.get(STEP)) if isinstance(headers, dict) else None


def meta_of(row: ResultRow | None, task_id: str) -> dict[str, Any]:
    """What Celery's ``AsyncResult`` reads from, with fw's own parts under ``fw_`` keys."""
    if row is None:
        return {"task_id": task_id, "status": "PENDING", "result": None}
    error = row.error
    return {
        "task_id": row.task_id,
        "status": row.state,
        "result": AttemptFailed(error) if error else decode(row.result),
        "traceback": row.traceback,
        "children": decode(row.children),
        "date_done": row.finished_at,
        "name": row.task_name,
        "worker": row.worker,
        "retries": max(row.attempts - 1, 0),
        "parent_id": row.parent_id,
        "root_id": row.root_id,
        "group_id": row.group_id,
        "fw_error": error,
        "fw_attempts": row.attempts,
    }


def decode(text: str | None) -> Any:
    """Read JSON as it was stored, with the types that Celery's JSON adds (dates, UUIDs …)."""
    return None if text is None else json.loads(text, object_hook=_typed)


def _typed(given: dict[str, Any]) -> Any:
    try:
        return object_hook(given)
    except (ValueError, TypeError, AttributeError):
        # A team's own {"__type__": ..., "__value__": ...} that only looks like one of Celery's.
        return given


def _attempts(request: Any) -> int:
    """How often the task has run, this time included; 0 where no worker has it."""
    if not getattr(request, "hostname", None):
        return 0
    headers = getattr(request, "headers", None) or {}
    laters = headers.get(LATERS) if isinstance(headers, dict) else 0
    return _count(getattr(request, "retries", 0)) + _count(laters) + 1


def _count(value: Any) -> int:
    """A header that another sender wrote may be anything."""
    return value if isinstance(value, int) and value >= 0 else 0


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None
