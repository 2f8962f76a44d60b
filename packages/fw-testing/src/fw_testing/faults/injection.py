"""Where the faults are put in: narrow places of the framework that every attempt passes.

The same places in the deterministic worker and in a real one, so that what follows is in both
cases what the framework does about it. What differs is how a process dies.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar
from unittest.mock import patch

from amqp.exceptions import MessageNacked

from fw_core.attempt.pipeline import Body, Run
from fw_core.broker import publish
from fw_core.broker.follow_up import is_follow_up
from fw_core.database import connection
from fw_core.errors import ResultStoreError, TimedOut
from fw_core.urls import safe_url
from fw_testing.faults.kinds import FAULTS, UnknownFaultError
from fw_testing.faults.occurrences import Occurrences
from fw_testing.worker import ProcessDied
from fw_worker import attempts, settle
from fw_worker.request import AttemptRequest

T = TypeVar("T")


class Injection:
    """One fault, put in.

    Args:
        occurrences: To which calls it has happened.
        lasting: Whether it happens every time, not only the first time for each call.
        die: Ends the process that runs tasks, or does as if.
        outlast: Goes on, inside a body, beyond its timeout.
    """

    def __init__(
        self,
        occurrences: Occurrences,
        *,
        lasting: bool,
        die: Callable[[], None],
        outlast: Callable[[Run], None],
    ) -> None:
        self._occurrences = occurrences
        self._lasting = lasting
        self._die = die
        self._outlast = outlast

    def put_in(self, fault: str, stack: ExitStack) -> None:
        """Have the fault happen until ``stack`` is closed.

        Raises:
            UnknownFaultError: there is no such fault.
        """
        if fault not in FAULTS:
            raise UnknownFaultError(name=fault)
        getattr(self, f"_{fault}")(stack)

    def _happens_to(self, call: str) -> bool:
        return self._occurrences.note(call) or self._lasting

    def _redelivered(self, stack: ExitStack) -> None:
        acknowledge = AttemptRequest.acknowledge

        def lose(request: AttemptRequest) -> None:
            if not request.acknowledged and self._happens_to(request.id):
                request.reject(requeue=True)
            else:
                acknowledge(request)

        stack.enter_context(patch.object(AttemptRequest, "acknowledge", lose))

    def _duplicated(self, stack: ExitStack) -> None:
        def send(publishing: Any, once: Callable[[Any], bool]) -> bool:
            is_sent = once(publishing)
            letter = publishing.letter
            if is_sent and letter.is_call and self._happens_to(str(letter.headers["id"])):
                raise ConnectionResetError(104, "Connection reset by peer")
            return is_sent

        _around_publishing(stack, send)

    def _broker_down(self, stack: ExitStack) -> None:
        def send(publishing: Any, once: Callable[[Any], bool]) -> bool:
            if not self._happens_to(str(publishing.letter.headers.get("id"))):
                return once(publishing)
            if self._lasting:
                raise publish.Unconfirmed("[Errno 111] Connection refused", maybe=False)
            raise ConnectionRefusedError(111, "Connection refused")

        _around_publishing(stack, send)

    def _publish_fails(self, stack: ExitStack) -> None:
        def send(publishing: Any, once: Callable[[Any], bool]) -> bool:
            if is_follow_up() and self._happens_to(str(publishing.letter.headers.get("id"))):
                raise MessageNacked
            return once(publishing)

        _around_publishing(stack, send)

    def _crash_before_run(self, stack: ExitStack) -> None:
        def run(run: Run, make: Callable[[Run], T]) -> T:
            if self._happens_to(run.attempt.task_id):
                self._die()
            return make(run)

        _around_attempts(stack, run)

    def _crash_after_run(self, stack: ExitStack) -> None:
        def run(run: Run, make: Callable[[Run], T]) -> T:
            outcome = make(run)
            if self._happens_to(run.attempt.task_id):
                self._die()
            return outcome

        _around_attempts(stack, run)

    def _slow(self, stack: ExitStack) -> None:
        limit: Any = vars(attempts)["limit_time"]

        def limit_slow(body: Body) -> Body:
            def slow(run: Run) -> Any:
                value = body(run)
                if self._happens_to(run.attempt.task_id):
                    self._outlast(run)
                return value

            limited: Body = limit(slow)
            return limited

        stack.enter_context(patch.object(attempts, "limit_time", limit_slow))

    def _database_down(self, stack: ExitStack) -> None:
        down = _Down(is_lasting=self._lasting)
        ask = connection.Database._run

        def ask_if_up(database: Any, attempt: Callable[[], T], *, timeout: float) -> T:
            if down.is_now:
                self._occurrences.note(down.call)
                raise ResultStoreError(
                    database=safe_url(database.url),
                    cause="the database is down (a fault of this test).",
                    fix="let the fault end.",
                )
            return ask(database, attempt, timeout=timeout)

        def run(run: Run, make: Callable[[Run], T]) -> T:
            if run.attempt.task_id not in self._occurrences:
                down.begin(run.attempt.task_id)
            return make(run)

        settled = settle.Settling.settle

        def settle_and_end(settling: Any, outcome: Any, **options: Any) -> Any:
            try:
                return settled(settling, outcome, **options)
            finally:
                down.end()

        stack.enter_context(patch.object(connection.Database, "_run", ask_if_up))
        stack.enter_context(patch.object(settle.Settling, "settle", settle_and_end))
        _around_attempts(stack, run)


class _Down(threading.local):
    """Whether the database is down for what this thread does."""

    def __init__(self, *, is_lasting: bool) -> None:
        self._is_lasting = is_lasting
        self.call = ""

    @property
    def is_now(self) -> bool:
        return self._is_lasting or bool(self.call)

    def begin(self, call: str) -> None:
        self.call = call

    def end(self) -> None:
        self.call = ""


def pretend_to_die() -> None:
    """Leave the attempt as a dead process does: nobody hears how it ended."""
    raise ProcessDied


def sleep_beyond(run: Run) -> None:
    """Sleep until the worker stops the body, or should have done so."""
    end = time.monotonic() + run.spec.timeout.total_seconds() + 10
    while time.monotonic() < end:
        time.sleep(0.01)  # in Python code again and again: a thread can only be stopped there


def pretend_to_outlast(run: Run) -> None:
    """Do as a worker does that has stopped the body."""
    raise TimedOut(task=run.spec.name, seconds=run.spec.timeout.total_seconds())


def _around_attempts(stack: ExitStack, around: Callable[[Run, Callable[[Run], Any]], Any]) -> None:
    make: Any = vars(attempts)["attempt"]

    def attempt(run: Run, **options: Any) -> Any:
        return around(run, lambda run: make(run, **options))

    stack.enter_context(patch.object(attempts, "attempt", attempt))


def _around_publishing(
    stack: ExitStack, around: Callable[[Any, Callable[[Any], bool]], bool]
) -> None:
    once = publish._Publishing._once
    stack.enter_context(
        patch.object(publish._Publishing, "_once", lambda publishing: around(publishing, once))
    )
