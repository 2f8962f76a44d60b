"""Starts workflows as one process of an app does, and says how long they took.

``python -m contenders.drive MODULE --alone 10 --at-once 50 --members 1000`` prints one line of
JSON. Whether a workflow has ended is looked up by all contenders in the same way, each 2 ms in
their store of results: how often a framework's own ``get()`` looks is no part of it. Then ``get()``
reads each result, and each must be the right one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

PAUSE = 0.002
STEPS = 10

Ended = Callable[[Sequence[str]], int]
"""How many of some calls have ended."""


def main() -> None:
    """Start, wait, look whether the results are right, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module", help="the contender's tasks, below contenders")
    parser.add_argument("--alone", type=int, default=0, help="how many sequences one by one")
    parser.add_argument("--at-once", type=int, default=0, help="how many sequences at once")
    parser.add_argument("--members", type=int, default=0, help="of the join")
    given = parser.parse_args()
    contender = import_module(f"contenders.{given.module}")
    ended = look(contender)
    sequences(contender, ended, 1)  # imports, connects and declares
    found: dict[str, float] = {}
    if given.alone:
        found["alone"] = statistics.median(
            sequences(contender, ended, 1) for _ in range(given.alone)
        )
    if given.at_once:
        found["at_once"] = sequences(contender, ended, given.at_once)
    if given.members:
        found["join"] = join(contender, ended, given.members)
    print(json.dumps(found))


def look(contender: Any) -> Ended:
    """How to ask the contender's store which calls have ended."""
    if "BENCHMARK_RESULTS" in os.environ or not hasattr(contender, "app"):
        from psycopg2 import connect  # type: ignore[import-untyped]

        connection = connect(os.environ["BENCHMARK_DATABASE"])
        connection.autocommit = True
        cursor = connection.cursor()
        table, state = contender.STORE
        count = f"SELECT count(*) FROM {table} WHERE task_id = ANY(%s) AND {state} = ANY(%s)"

        def in_postgres(ids: Sequence[str]) -> int:
            cursor.execute(count, (list(ids), ["SUCCESS", "FAILURE"]))
            return int(cursor.fetchone()[0])

        return in_postgres

    from redis import Redis

    server: Any = Redis.from_url(os.environ["BENCHMARK_REDIS"])

    def in_redis(ids: Sequence[str]) -> int:
        return int(server.exists(*(f"celery-task-meta-{each}" for each in ids)))

    return in_redis


def sequences(contender: Any, ended: Ended, count: int) -> float:
    """Seconds until so many sequences that are started at once have all ended."""
    began = time.perf_counter()
    started = [contender.sequence(STEPS, number) for number in range(count)]
    return until(ended, started, [number + STEPS for number in range(count)], began)


def join(contender: Any, ended: Ended, members: int) -> float:
    """Seconds from the start of so many members to the result of their join."""
    began = time.perf_counter()
    started = contender.fan_out(members)
    return until(ended, [started], [members * (members - 1)], began)


def until(ended: Ended, started: Sequence[Any], right: Sequence[int], began: float) -> float:
    """Seconds until all have ended, each with the right result."""
    ids = [each.id for each in started]
    while ended(ids) < len(ids):
        time.sleep(PAUSE)
        if time.perf_counter() - began > 170:
            sys.exit(f"{ended(ids)} of {len(ids)} ended")
    seconds = time.perf_counter() - began
    results = [each.get(timeout=10) for each in started]
    if results != list(right):
        sys.exit(f"expected {right}, got {results}")
    return seconds


if __name__ == "__main__":
    main()
