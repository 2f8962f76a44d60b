"""fw, with its defaults."""

import time

from contenders.journal import note
from fw_core import task_framework


@task_framework(ignore_result=True)
def ignored(text: str) -> None:
    """Do nothing whose result is asked for."""
    note()


@task_framework
def kept(text: str) -> str:
    """The same, with a result."""
    note()
    return text


@task_framework(ignore_result=True)
def naps(seconds: float) -> None:
    """Take so long."""
    note()
    time.sleep(seconds)


@task_framework
def takes(seconds: float) -> float:
    """Take so long, and return it."""
    time.sleep(seconds)
    return seconds


def send(count: int, results: bool) -> None:
    """Put the calls into the queue, each confirmed."""
    task = kept if results else ignored
    task.delay_many([("a text",)] * count)
