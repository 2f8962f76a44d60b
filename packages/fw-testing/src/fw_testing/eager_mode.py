"""``fw_eager``: a call runs at once, through the same path as in production."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from fw_testing.assertions import Assertions
from fw_testing.bench import bench


class Eager(Assertions):
    """What eager calls did: the attempts, their waits, the dead letters."""


@contextmanager
def eager(
    *, start: datetime | str | None = None, move_datetime: bool = False, move_sleep: bool = False
) -> Iterator[Eager]:
    """Run every call at once, for a block of code; :func:`fw_eager` is the fixture.

    The message is published, encoded, decoded and run as in production; retries and delays run
    at once too, in virtual time. What a task sends runs after it.

    Args:
        start: Where the clock starts, with a time zone; noon of 1 January 2026 (UTC) if not given.
        move_datetime: ``datetime.now()`` and ``time.time()`` follow the clock.
        move_sleep: A task that sleeps moves the clock; else it is an error.
    """
    with bench(start=start, move_datetime=move_datetime, move_sleep=move_sleep) as world:
        world.is_eager = True
        amqp: Any = world.app.amqp
        send = amqp.send

        def send_and_run(*args: Any, **kwargs: Any) -> None:
            send(*args, **kwargs)
            if not (world.worker.running or world.is_held):
                world.rest()

        amqp.send = send_and_run  # a receiver of Celery's signal could not raise in the test
        yield Eager(world)
