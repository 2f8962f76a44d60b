"""Tasks that end in every way that a task can, until what they need is mended."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from fw_core import GiveUp, current_attempt, task_framework


@task_framework(retries=0, timeout=1)
def work(number: int, place: str) -> int:
    """Fail, each number in its own way, until the place is mended; then write a line."""
    if not (Path(place) / "mended").exists():
        _fail(number)
    with (Path(place) / "done").open("a") as file:
        file.write(f"{number} {current_attempt().message_id}\n")
    return number


@task_framework(retries=1, backoff=[0.1], queue="bulk")
def retried(number: int, place: str) -> int:
    """The same, with a retry, in another queue."""
    return work(number, place)


def _fail(number: int) -> None:
    match number % 100:
        case 0:
            os.kill(os.getpid(), signal.SIGKILL)
        case 50:
            time.sleep(60)
        case rest if rest % 2:
            raise GiveUp("not today")
        case _:
            raise ConnectionError(f"no route for {number}")
