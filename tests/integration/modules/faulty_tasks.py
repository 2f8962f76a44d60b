"""Tasks that run under the faults of the test kit, on the fake broker and on real workers."""

from __future__ import annotations

import os
from pathlib import Path

from fw_core import current_attempt, task_framework

JOURNAL = "FW_FAULTY_JOURNAL"


def note(task: str) -> int:
    """Write one line to the journal, which every process of the test shares."""
    attempt = current_attempt()
    with Path(os.environ[JOURNAL]).open("a") as journal:
        journal.write(f"{task} attempt {attempt.number}{' again' * attempt.redelivered}\n")
    return attempt.number


@task_framework(retries=2, backoff=[0.1], jitter=0, timeout=1)
def keeps(number: int) -> int:
    """Keep its result."""
    note("keeps")
    return number


@task_framework(retries=2, backoff=[0.1], jitter=0, timeout=1, ignore_result=True)
def forgets(number: int) -> None:
    """Keep no result."""
    note("forgets")


@task_framework(retries=2, backoff=[1], jitter=0, timeout=1)
def fails_once(number: int) -> int:
    """Succeed the second time."""
    if note("fails_once") == 1:
        raise ConnectionError("not yet")
    return number


@task_framework(retries=0, timeout=1)
def fails(number: int) -> int:
    """Never succeed."""
    note("fails")
    raise ValueError(number)


@task_framework(retries=2, backoff=[0.1], jitter=0, timeout=1)
def doubles(number: int) -> int:
    """Come after another."""
    note("doubles")
    return 2 * number
