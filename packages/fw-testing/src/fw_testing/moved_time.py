"""A task's own ``datetime.now()`` and ``time.time()`` follow the virtual clock, by time-machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fw_testing.clock import VirtualClock
from fw_testing.errors import NoTimeMachine


@contextmanager
def datetime_moved(clock: VirtualClock) -> Iterator[None]:
    """Let the time of this process stand where ``clock`` stands, in every thread.

    What measures how long something takes (``time.monotonic()``, timeouts) is not touched.

    Raises:
        NoTimeMachine: it is not installed.
    """
    try:
        import time_machine
    except ImportError:
        raise NoTimeMachine from None
    with (
        time_machine.travel(clock.now(), tick=False) as traveller,
        clock.followed(traveller.move_to),
    ):
        yield
