"""Results that are stored with one statement are what each would be alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fw_core.database.connection import Database
from fw_core.results import statements
from fw_core.results.rows import ResultRow

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)

_texts = st.none() | st.sampled_from(["a", "it's \\ 'ü'"])
_moments = st.integers(0, 2).map(lambda seconds: _BEGAN + timedelta(seconds=seconds))
_rows = st.builds(
    ResultRow,
    task_id=st.sampled_from(["1", "2", "3", "4"]),
    state=st.sampled_from(["SUCCESS", "FAILURE", "STARTED"]),
    created_at=_moments,
    attempts=st.integers(0, 2),
    task_name=_texts,
    result=_texts,
    error_type=_texts,
    error_message=_texts,
    traceback=_texts,
    children=_texts,
    started_at=st.none() | _moments,
    finished_at=st.none() | _moments,
    parent_id=_texts,
    root_id=_texts,
    group_id=_texts,
    worker=_texts,
)
_rounds = st.lists(st.lists(_rows, min_size=1, max_size=4, unique_by=lambda row: row.task_id))


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rounds=_rounds)
def test_rows_together_are_as_each_alone(
    url: str, make_backend: Callable[..., Any], rounds: list[list[ResultRow]]
) -> None:
    database: Database = make_backend(url).database
    together = [[replace(row, task_id=f"t{row.task_id}") for row in rows] for rows in rounds]
    ids = ["1", "2", "3", "4", "t1", "t2", "t3", "t4"]
    for each in ids:
        database.statement(lambda to, each=each: statements.forget(to, each), timeout=10)

    for rows in together:
        database.statement(lambda to, rows=rows: statements.store_all(to, rows), timeout=10)
    for row in (row for rows in rounds for row in rows):
        database.statement(lambda to, row=row: statements.store(to, row), timeout=10)

    found = database.statement(lambda to: statements.load(to, ids), timeout=10)
    assert {i: row for i, row in found.items() if not i.startswith("t")} == {
        i[1:]: replace(row, task_id=i[1:]) for i, row in found.items() if i.startswith("t")
    }
