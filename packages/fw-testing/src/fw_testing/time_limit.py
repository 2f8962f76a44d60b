"""Stops a body that moves the virtual clock beyond its task's timeout.

In production an alarm or another thread raises in the body, and a process that goes on for too
long is killed. Here time only passes when the body lets it, so the clock raises where it is moved.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fw_core.attempt.pipeline import Body, Run, Wrapper
from fw_core.broker.task import HARD_LIMIT_GRACE
from fw_core.errors import TimedOut
from fw_testing.clock import VirtualClock
from fw_worker.time_limit import Killed


class _Stop(BaseException):
    """Raised in a body that ran too long; ``except Exception`` in it does not swallow it."""


@dataclass(slots=True)
class _Limit:
    """The time that one attempt has."""

    run: Run
    is_stopped: bool = False
    is_killed: bool = False

    def look(self, now: datetime) -> None:
        """Raise in the body once when its time is over, and each time when it would be killed."""
        deadline = self.run.attempt.deadline
        if now > deadline + timedelta(seconds=HARD_LIMIT_GRACE):
            self.is_stopped = self.is_killed = True
            raise Killed
        if now > deadline and not self.is_stopped:
            self.is_stopped = True
            raise asyncio.CancelledError if self.run.spec.is_async else _Stop


def limit_virtual_time(clock: VirtualClock) -> Wrapper:
    """A wrapper like the worker's ``limit_time``, which it goes around, that obeys ``clock``.

    A body that goes beyond its timeout gets a BaseException first, where it moved the clock, and
    can clean up; one that swallows it and goes beyond the hard limit as well is taken for killed,
    whatever it does then.
    """

    def limit_time(body: Body) -> Body:
        def wrapped(run: Run) -> Any:
            limit = _Limit(run)
            try:
                with clock.followed(limit.look):
                    return body(run)
            except (_Stop, asyncio.CancelledError) as stop:
                if not limit.is_stopped:
                    raise
                seconds = run.spec.timeout.total_seconds()
                raise TimedOut(task=run.spec.name, seconds=seconds).with_traceback(
                    stop.__traceback__
                ) from None
            finally:
                if limit.is_killed:  # by then there is no process that could say anything
                    raise Killed

        return wrapped

    return limit_time
