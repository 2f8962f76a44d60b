"""A task as it was declared: frozen, and the same in the team's app and in the worker."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from fw_core.attempt.policy import RetryPolicy


@dataclass(frozen=True, slots=True)
class Place:
    """Where a function stands, for messages to people."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskSpec:
    """All that is known of a task.

    Attributes:
        name: The name on the wire.
        function: The team's function.
        policy: When it is retried.
        ignore_result: Whether a success leaves no result.
        timeout: The longest an attempt may run.
        queue: Where its messages wait.
        priority: Above 4 goes first; None: neither.
        expires: How long after the call an attempt may still start; None: always.
        place: Where the function stands.
        explicit_name: Whether the name was given, not derived.
    """

    name: str
    function: Callable[..., Any]
    policy: RetryPolicy
    ignore_result: bool
    timeout: timedelta
    queue: str
    priority: int | None
    expires: timedelta | None
    place: Place
    explicit_name: bool

    @property
    def is_async(self) -> bool:
        """Whether the function is an ``async def``."""
        return _is_async(self.function)


_is_async = lru_cache(maxsize=1024)(inspect.iscoroutinefunction)  # asked for at each attempt
