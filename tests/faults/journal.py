"""The table that the tasks write: which calls are done, how often each body has run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg2

_TABLE = """
CREATE TABLE runs (
    number integer NOT NULL,
    step integer NOT NULL,
    is_final boolean NOT NULL,
    attempt integer NOT NULL,
    redelivered boolean NOT NULL,
    task_id text NOT NULL,
    pid integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


class Journal:
    """The rows of one fault, read through a connection of its own for each question."""

    def __init__(self, url: str) -> None:
        self._url = url
        with self._cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS runs")
            cursor.execute(_TABLE)

    def count(self) -> int:
        """How many runs there were."""
        return int(self._ask("SELECT count(*) FROM runs")[0][0])

    def done(self) -> set[int]:
        """The numbers whose work is done."""
        return {row[0] for row in self._ask("SELECT DISTINCT number FROM runs WHERE is_final")}

    def repeats(self) -> dict[int, int]:
        """How often each number ran more than planned; numbers without repeats are left out.

        Planned is one run of each step, and one more that fails where the plan says so.
        """
        rows = self._ask(
            "SELECT number, sum(n - 1) FROM (SELECT number, count(*) n FROM runs "
            "GROUP BY number, step, is_final HAVING count(*) > 1) again GROUP BY number"
        )
        return {number: int(again) for number, again in rows}

    def first_done(self) -> list[datetime]:
        """When each number was done for the first time, in order."""
        rows = self._ask("SELECT min(at) FROM runs WHERE is_final GROUP BY number ORDER BY 1")
        return [moment for (moment,) in rows]

    def done_at(self) -> dict[int, datetime]:
        """When each number was done for the first time."""
        return dict(self._ask("SELECT number, min(at) FROM runs WHERE is_final GROUP BY number"))

    def rows_of(self, number: int) -> list[Any]:
        """All that is known of one number."""
        return self._ask("SELECT * FROM runs WHERE number = %s ORDER BY at", number)

    def _ask(self, sql: str, *values: Any) -> list[Any]:
        with self._cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        connection = psycopg2.connect(self._url, connect_timeout=5)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()
