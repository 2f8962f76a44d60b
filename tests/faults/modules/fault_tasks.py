"""The tasks that the faults meet: each run writes one row into a table of its own.

The table is none of fw's, and is written through a connection that is none of fw's.
"""

from __future__ import annotations

import os
import time
from typing import Any

import psycopg2

from fw_core import current_attempt, register_task, task_framework

JOURNAL = "FAULTS_JOURNAL_URL"
WORK_SECONDS = float(os.environ.get("FAULTS_WORK_SECONDS", "0.02"))
"""How long a run takes: long enough that a kill meets some of them."""

_connections: dict[int, Any] = {}


class PlannedFailure(Exception):  # noqa: N818 - reads as what happened
    """The first attempt of a call that the plan lets fail."""


@task_framework(retries=40, backoff=[1], timeout=60)
def work(number: int, fails_first: bool) -> int:
    """Write a row; where the plan says so, fail the first attempt."""
    is_final = not (fails_first and current_attempt().number == 1)
    _run(number, step=1, is_final=is_final)
    if not is_final:
        raise PlannedFailure(number)
    return number


@register_task("faults.first")
@task_framework(retries=40, backoff=[1], timeout=60)
def first(number: int) -> int:
    """The first step of a workflow."""
    _run(number, step=1, is_final=False)
    return number


@register_task("faults.left")
@task_framework(retries=40, backoff=[1], timeout=60)
def left(number: int) -> int:
    """One of two that run side by side."""
    _run(number, step=2, is_final=False)
    return number


@register_task("faults.right")
@task_framework(retries=40, backoff=[1], timeout=60)
def right(number: int) -> int:
    """The other one."""
    _run(number, step=3, is_final=False)
    return number


@register_task("faults.last")
@task_framework(retries=40, backoff=[1], timeout=60)
def last(numbers: list[int]) -> int:
    """What joins the two, and completes the call."""
    [number] = set(numbers)
    _run(number, step=4, is_final=True)
    return number


def _run(number: int, *, step: int, is_final: bool) -> None:
    time.sleep(WORK_SECONDS / 2)
    attempt = current_attempt()
    try:
        with _connection().cursor() as cursor:
            cursor.execute(
                "INSERT INTO runs (number, step, is_final, attempt, redelivered, task_id, pid) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (
                    *(number, step, is_final, attempt.number, attempt.redelivered),
                    *(attempt.task_id, os.getpid()),
                ),
            )
    except psycopg2.Error:
        _connections.clear()  # the next run connects anew; this one is tried again by its policy
        raise
    time.sleep(WORK_SECONDS / 2)


def _connection() -> Any:
    found = _connections.get(os.getpid())
    if found is None:
        found = psycopg2.connect(os.environ[JOURNAL], connect_timeout=2)
        found.autocommit = True
        _connections[os.getpid()] = found
    return found
