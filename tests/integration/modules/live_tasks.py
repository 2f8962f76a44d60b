"""Tasks that real workers run in the integration tests."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime

from fw_core import current_attempt, register_task, task_framework


@task_framework(retries=3, backoff=[0.1])
def fails(times: int) -> int:
    """Fail ``times`` times, then return the number of the attempt."""
    number = current_attempt().number
    if number <= times:
        raise ConnectionError(f"attempt {number}")
    return number


@task_framework(retries=2, backoff=[0.1, 0.2])
def where_am_i(succeed_on: int) -> str:
    """Return the queue that the last attempt came from."""
    attempt = current_attempt()
    if attempt.number < succeed_on:
        raise ConnectionError("not yet")
    return attempt.queue


@task_framework(retries=2, backoff=[4.05], jitter=0)
def waits_long(succeed_on: int) -> str:
    """Return the queue of the last attempt, after waits between two steps of the wait queues."""
    attempt = current_attempt()
    if attempt.number < succeed_on:
        raise ConnectionError("not yet")
    return attempt.queue


@task_framework(queue="bulk")
def in_bulk() -> str:
    """Return the queue that it came from."""
    return current_attempt().queue


@task_framework
async def doubles(number: int) -> int:
    """An async task."""
    return number * 2


@task_framework
def started_at() -> float:
    """When the attempt started, in seconds since 1970."""
    return time.time()


@task_framework
def day_of(moment: datetime) -> str:
    """The weekday of a moment."""
    return moment.strftime("%A")


@task_framework(retries=1, backoff=[0.1])
def dies() -> None:
    """Kill the process that runs it."""
    os.kill(os.getpid(), signal.SIGKILL)


@task_framework(retries=0, timeout=0.5)
def hangs() -> None:
    """Run far longer than its timeout."""
    time.sleep(60)


class TwoArguments(Exception):  # noqa: N818 - named after what is odd about it
    """Cannot be made again from its ``args``, so pickle cannot carry it."""

    def __init__(self, order: int, reason: str) -> None:
        super().__init__(f"order {order}: {reason}")
        self.callback = lambda: None


@task_framework(retries=0)
def raises_unpicklable() -> None:
    """Fail with an exception that cannot be pickled."""
    raise TwoArguments(7, "no stock")


@task_framework(retries=3)
def returns_object() -> object:
    """Return what JSON cannot carry."""
    return object()


@register_task("step.double")
@task_framework
def step_double(number: int) -> int:
    """First step of a workflow."""
    return number * 2


@register_task("step.text")
@task_framework
def step_text(number: int) -> str:
    """Second step of a workflow."""
    return f"result {number}"


@task_framework
def adds(first: int, second: int) -> int:
    """A member of a join."""
    return first + second


@task_framework
def sums(numbers: list[int]) -> int:
    """The body of a join."""
    return sum(numbers)


@task_framework(retries=0)
def always_fails(number: int) -> int:
    """A step that fails for good."""
    raise ValueError(f"no {number}")


@task_framework
def notes_and_waits(path: str) -> str:
    """Write a line for each run; the first run then waits to be killed."""
    attempt = current_attempt()
    with open(path, "a") as file:
        file.write(f"{attempt.number} {attempt.redelivered}\n")
    if not attempt.redelivered:
        time.sleep(60)
    return "done"


@task_framework(retries=1, backoff=[0.1], timeout=0.5)
def stubborn(path: str) -> None:
    """Swallow every attempt to stop it."""
    with open(path, "a") as file:
        file.write("run\n")
    while True:
        try:
            time.sleep(60)
        except BaseException:
            continue


@task_framework
def large(size: int) -> str:
    """Return that many characters."""
    return "x" * size


@task_framework
def counts(data: str | list[str]) -> int:
    """Return how many there are."""
    return len(data)


@task_framework
def shows(message: dict[str, int | str]) -> str:
    """A step that gets a whole message."""
    return f"{message['kind']} {message['number']}"
