"""Plain Celery's canvas, tuned as in ``celery_tasks``; results in PostgreSQL, or in Redis.

A quorum queue, publisher confirms, late acknowledgement. What it does not say is Celery's default:
the stock database backend asks once a second whether a join is full.
"""

import os
from typing import Any

from celery import chain, group

from contenders.celery_tasks import app

STORE = "celery_taskmeta", "status"
"""The table of results and its column of states, where they are kept in PostgreSQL."""

if "BENCHMARK_RESULTS" not in os.environ:
    app.conf.update(
        result_backend=os.environ["BENCHMARK_REDIS"],
        result_expires=3600,  # the server outlives the benchmark
        task_ignore_result=False,
    )


@app.task  # type: ignore[untyped-decorator]  # Celery has no types
def after(number: int) -> int:
    """Return the number after this one."""
    return number + 1


@app.task  # type: ignore[untyped-decorator]  # Celery has no types
def double(number: int) -> int:
    """Return twice the number."""
    return 2 * number


@app.task  # type: ignore[untyped-decorator]  # Celery has no types
def total(numbers: list[int]) -> int:
    """Return the sum."""
    return sum(numbers)


def sequence(steps: int, number: int) -> Any:
    """Start so many steps, one after the other."""
    return chain(after.s(number), *[after.s()] * (steps - 1)).apply_async()


def fan_out(members: int) -> Any:
    """Start so many members side by side, and their join."""
    return (group(double.s(number) for number in range(members)) | total.s()).apply_async()
