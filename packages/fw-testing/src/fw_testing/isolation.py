"""While a fake is active nothing leaves the process: no server is reached, no task sleeps."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import inspect
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType, FunctionType
from typing import Any

from kombu import Connection, Producer

from fw_core.attempt.current import attempt_or_none
from fw_core.broker.local import memory_url
from fw_core.errors import FrameworkError
from fw_core.outside import gated
from fw_core.urls import safe_url
from fw_testing.clock import VirtualClock
from fw_testing.errors import LeavesTheTest, SleepsInTask
from fw_testing.guard import is_real

SHORT_SLEEP = 0.05
"""Seconds that a body may really sleep: whoever polls sleeps so long, and nobody notices."""

_IN_MEMORY = memory_url("")
_ASLEEP = asyncio.tasks.sleep.__code__
_lock = threading.Lock()
_checks: list[Callable[[str], None]] = []
_real: dict[str, Any] = {}


class Isolation:
    """Keeps one test inside of its process.

    Args:
        clock: Moved by the sleeps of tasks, if ``move_sleep``.
        move_sleep: Let a sleeping task move the clock; else it is an error.
    """

    def __init__(self, clock: VirtualClock, *, move_sleep: bool = False) -> None:
        self._clock = clock
        self._move_sleep = move_sleep
        self._thread = threading.get_ident()
        self._refused: list[FrameworkError] = []

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Refuse the way to every broker, and to every database of fw, that is not in memory.

        Raises:
            LeavesTheTest: another thread tried it, when the block ends.
        """
        with gated(lambda url, by_default: self._gate(url)), _kombu_asking(self._gate):
            yield
        self._raise_refused()

    @contextmanager
    def attempt(self, function: Callable[..., Any] | None) -> Iterator[None]:
        """Let no body sleep while a message is run; other threads sleep as they like.

        Args:
            function: The task's; its module may have imported ``sleep`` by name.

        Raises:
            SleepsInTask, LeavesTheTest: the body tried it, whatever became of the error there.
        """
        changed: list[tuple[dict[str, Any], str, Any]] = []
        for space, name, value in _sleeps(function):
            changed.append((space, name, value))
            space[name] = self._stand_in(value)
        try:
            yield
        finally:
            for space, name, value in changed:
                space[name] = value
            self._raise_refused()

    def _gate(self, url: str) -> None:
        if not _is_in_memory(url) and not is_real():
            self._refuse(LeavesTheTest(where=safe_url(url)))

    def _stand_in(self, real: Any) -> Any:
        if not inspect.iscoroutinefunction(real):

            def sleep(seconds: float, /) -> None:
                if self._may_sleep(seconds, "time.sleep"):
                    real(seconds)

            return sleep

        async def asleep(delay: float, result: Any = None) -> Any:
            really = self._may_sleep(delay, "asyncio.sleep")
            return await real(delay if really else 0, result)

        return asleep

    def _may_sleep(self, seconds: float, call: str) -> bool:
        attempt = attempt_or_none()
        if attempt is None or seconds <= SHORT_SLEEP:
            return True
        if self._move_sleep:
            self._clock.advance(seconds)  # beyond its timeout, the attempt ends here
            return False
        caller = sys._getframe(2)
        where = f"{caller.f_code.co_filename}:{caller.f_lineno}"
        self._refuse(SleepsInTask(task=attempt.task, call=call, seconds=seconds, where=where))
        return False

    def _refuse(self, error: FrameworkError) -> None:
        """A body or a thread can swallow it, so it is raised again where the test sees it."""
        if attempt_or_none() is not None or threading.get_ident() != self._thread:
            self._refused.append(error)
        raise error

    def _raise_refused(self) -> None:
        if self._refused:
            first = self._refused[0]
            self._refused.clear()
            raise first


def _sleeps(function: Callable[..., Any] | None) -> list[tuple[dict[str, Any], str, Any]]:
    """Where a body finds Python's own sleeps; what a test has put in their place stays."""
    found = [(vars(module), "sleep", vars(module)["sleep"]) for module in (time, asyncio)]
    if function is not None:  # its module may have imported one by name
        names = inspect.unwrap(function).__globals__
        found += [(names, name, value) for name, value in names.items() if callable(value)]
    return [(space, name, value) for space, name, value in found if _is_sleep(value)]


def _is_sleep(value: Any) -> bool:
    if type(value) is BuiltinFunctionType:
        return (value.__module__, value.__name__) == ("time", "sleep")
    return type(value) is FunctionType and value.__code__ is _ASLEEP


def _is_in_memory(url: str) -> bool:
    if url.startswith(("memory:", _IN_MEMORY)):
        return True
    return url.startswith("sqlite") and (url.endswith("//") or "memory" in url)


@contextmanager
def _kombu_asking(check: Callable[[str], None]) -> Iterator[None]:
    """Let every connection of kombu, whoever made it, be checked until the block ends."""
    with _lock:
        _checks.append(check)
        if len(_checks) == 1:
            _stand_in_for(Connection, "_establish_connection", lambda connection: connection)
            _stand_in_for(Producer, "publish", lambda producer: producer.connection)
    try:
        yield
    finally:
        with _lock:
            _checks.remove(check)
            if not _checks:
                Connection._establish_connection = _real.pop("_establish_connection")
                Producer.publish = _real.pop("publish")


def _stand_in_for(cls: type, name: str, connection_of: Callable[[Any], Any]) -> None:
    real = _real[name] = vars(cls)[name]

    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _checks:
            connection = connection_of(self)
            if connection is not None:
                _checks[-1](_url_of(connection))
        return real(self, *args, **kwargs)

    setattr(cls, name, checked)


def _url_of(connection: Any) -> str:
    try:
        url: str = connection.as_uri()
    except AttributeError:  # of a transport whose client is not installed
        return f"{connection.transport_cls}://{connection.hostname}"
    return url
