"""Members that are counted together are counted as each would be alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from fw_core.database.connection import Database
from fw_core.database.tables import joins
from fw_core.results import join_rows
from fw_core.results.join_rows import Member

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIZE = 5


def member(number: int, state: str = "SUCCESS") -> Member:
    return Member(
        member_id=f"m{number}", position=number, task_name="t", state=state, result=str(number)
    )


ends = st.tuples(st.just("end"), st.lists(st.integers(0, SIZE - 1), min_size=1, unique=True))
fails = st.tuples(st.just("fail"), st.integers(0, SIZE - 1).map(lambda number: [number]))


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(ends | fails, max_size=8), fires=st.booleans())
def test_together_is_as_each_alone(
    url: str, make_backend: Callable[..., Any], steps: list[Any], fires: bool
) -> None:
    database: Database = make_backend(url).database
    one, other = uuid4().hex, uuid4().hex

    def change(connection: Connection) -> None:
        for kind, numbers in steps:
            members = [member(number) for number in numbers]
            if kind == "fail":
                members = [member(numbers[0], "FAILURE")]
                found = [join_rows.end_member(connection, one, members[0], size=SIZE, now=NOW)]
                join_rows.end_member(connection, other, members[0], size=SIZE, now=NOW)
            else:
                found = [join_rows.end_members(connection, one, members, size=SIZE, now=NOW)]
                for each in members:
                    join_rows.end_member(connection, other, each, size=SIZE, now=NOW)
            if fires and any(found):
                for join_id in (one, other):
                    join_rows.mark_fired(connection, join_id, now=NOW)

    def state(connection: Connection, join_id: str) -> tuple[Any, Sequence[Member]]:
        c = joins.c
        row = connection.execute(
            select(c.size, c.added, c.ended, c.claimed_by.is_(None)).where(c.join_id == join_id)
        ).first()
        return row, join_rows._members(connection, join_id)

    database.transaction(change, timeout=10)
    assert database.statement(lambda c: state(c, one), timeout=10) == database.statement(
        lambda c: state(c, other), timeout=10
    )


def test_groups_that_end_at_the_same_moment_claim_the_join_once(
    url: str, make_backend: Callable[..., Any]
) -> None:
    """Each member is in two of them, as after a redelivery."""
    database: Database = make_backend(url).database
    join_id, groups = uuid4().hex, 8
    begin, claims = threading.Barrier(groups), list[Sequence[Member]]()

    def end(first: int) -> None:
        members = [member(n % 40) for n in range(first, first + 10)]
        begin.wait()
        found = database.transaction(
            lambda c: join_rows.end_members(c, join_id, members, size=40, now=NOW), timeout=30
        )
        if found is not None:
            claims.append(found)

    threads = [threading.Thread(target=end, args=(5 * number,)) for number in range(groups)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [[each.position for each in found] for found in claims] == [list(range(40))]
