"""Waits that somebody asks for: a body by ``RetryLater``, another service by ``Retry-After``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from scenario import scenario, times_run

from fw_core import RetryLater, current_attempt, task_framework


@task_framework(retries=1, backoff=[0.1], jitter=0)
def polls(times: int, most: int) -> str:
    if times_run() <= times:
        raise RetryLater(0.2, max_times=most)
    return "ready"


@scenario(
    """
    polls(2, 100)
        1: later in 0.2 s
        1: later in 0.2 s
        1: succeeded 'ready'
        result SUCCESS 'ready' after 3 attempts
    """
)
def a_body_that_asks_to_run_later():
    polls.delay(2, 100)


@scenario(
    """
    polls(9, 2)
        1: later in 0.2 s
        1: later in 0.2 s
        1: failed fw_core.LaterTooOften: The task asked to run later 2 times, … (79)
        result FAILURE fw_core.LaterTooOften: The task asked to run later 2 times, … (79) after 3 attempts
        dead later-too-often: it asked to run later 2 times
    """
)
def a_body_that_asks_to_run_later_too_often():
    polls.delay(9, 2)


@task_framework(retries=0, max_delay=0.3)
def asks_for_long() -> str:
    if times_run() == 1:
        raise RetryLater(timedelta(hours=1))
    return "ready"


@scenario(
    """
    asks_for_long()
        1: later in 0.3 s
        1: succeeded 'ready'
        result SUCCESS 'ready' after 2 attempts
    """
)
def later_is_capped_by_the_policy():
    asks_for_long.delay()


@task_framework(retries=1, backoff=[0.1], jitter=0)
def asks_and_fails() -> str:
    seen = times_run()
    if seen in {1, 3}:
        raise RetryLater(0.1)
    if seen == 2:
        raise ConnectionError("no")
    return f"attempt {current_attempt().number}"


@scenario(
    """
    asks_and_fails()
        1: later in 0.1 s
        1: retry in 0.1 s after ConnectionError: no
        2: later in 0.1 s
        2: succeeded 'attempt 2'
        result SUCCESS 'attempt 2' after 4 attempts
    """
)
def later_and_retries_are_counted_apart():
    asks_and_fails.delay()


@dataclass
class Response:
    status_code: int
    headers: dict[str, str]


class TooMany(Exception):
    def __init__(self, status: int, seconds: str) -> None:
        super().__init__(f"{status}")
        self.response = Response(status, {"Retry-After": seconds})


@task_framework(retries=1, backoff=[0.1], jitter=0)
def is_throttled(status: int, seconds: str) -> str:
    if current_attempt().number == 1:
        raise TooMany(status, seconds)
    return "through"


@scenario(
    """
    is_throttled(429, '1')
        1: retry in 1 s after TooMany: 429
        2: succeeded 'through'
        result SUCCESS 'through' after 2 attempts
    """
)
def a_service_that_says_retry_after():
    is_throttled.delay(429, "1")


@scenario(
    """
    is_throttled(500, '1')
        1: retry in 0.1 s after TooMany: 500
        2: succeeded 'through'
        result SUCCESS 'through' after 2 attempts
    """
)
def retry_after_counts_for_some_answers_only():
    is_throttled.delay(500, "1")


@scenario(
    """
    is_throttled(503, '0')
        1: retry in 0.1 s after TooMany: 503
        2: succeeded 'through'
        result SUCCESS 'through' after 2 attempts
    """
)
def retry_after_never_shortens_the_policy_s_wait():
    is_throttled.delay(503, "0")


@scenario(
    """
    is_throttled(429, 'soon')
        1: retry in 0.1 s after TooMany: 429
        2: succeeded 'through'
        result SUCCESS 'through' after 2 attempts
    """
)
def a_retry_after_that_nobody_can_read():
    is_throttled.delay(429, "soon")
