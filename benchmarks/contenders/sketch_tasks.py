"""The sketch that fw began with, as it was written: a bound task that retries on any error.

Celery's defaults and ``db+postgresql``; what the body prints goes to the worker's log.
"""

import functools
import os
from typing import Any

from celery import Celery

from contenders.journal import note

app = Celery(
    "sketch",
    broker=os.environ["BENCHMARK_BROKER"],
    backend="db+" + os.environ["BENCHMARK_DATABASE"].replace("://", "+psycopg2://", 1),
)


def task_framework(retries: int = 3, backoff: float = 2, ignore_result: bool = False) -> Any:
    """Wrap any function as a Celery task."""

    def decorator(func: Any) -> Any:
        @app.task(bind=True, max_retries=retries, ignore_result=ignore_result)
        @functools.wraps(func)
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                print(f"Executing {func.__name__} with args: {args}, kwargs: {kwargs}")
                return func(*args, **kwargs)
            except Exception as e:
                delay = backoff**self.request.retries
                print(f"Retrying {func.__name__} in {delay} seconds due to error: {e}")
                raise self.retry(exc=e, countdown=delay) from e

        return wrapper

    return decorator


@task_framework(retries=5, backoff=3)
def echo(text: str) -> str:
    """Do nothing and return a text."""
    note()
    return text


def send(count: int, results: bool) -> None:
    """Put the calls into the queue."""
    for _ in range(count):
        echo.delay("a text")
