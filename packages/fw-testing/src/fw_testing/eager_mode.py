"""``fw_eager``: a call runs at once, through the same path as in production."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import signals

from fw_core import client
from fw_testing.assertions import Assertions
from fw_testing.bench import bench


class Eager(Assertions):
    """What eager calls did: the attempts, their waits, the dead letters."""


@contextmanager
def eager() -> Iterator[Eager]:
    """Run every call at once, for a block of code; :func:`fw_eager` is the fixture.

    The message is published, encoded, decoded and run as in production; retries and delays run
    at once too, in virtual time. What a task sends runs after it.
    """
    with bench() as world:
        world.is_eager = True

        def run_at_once(**_: Any) -> None:
            if client.current_app() is world.app and not (world.worker.running or world.is_held):
                world.rest()

        signals.after_task_publish.connect(run_at_once, weak=False)
        try:
            yield Eager(world)
        finally:
            signals.after_task_publish.disconnect(run_at_once)
