"""To try again what has to succeed: growing pauses, an end, and one line that says what waits."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from fw_core.broker.app import App
from fw_core.broker.publish import is_final
from fw_core.broker.task import FrameworkTask
from fw_core.results.waiting import REAL_CLOCK, Clock

T = TypeVar("T")

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 3.0

_logger = logging.getLogger("fw.worker")


def insist(
    action: Callable[[], T],
    *,
    errors: tuple[type[Exception], ...],
    until: float,
    what: str,
    clock: Clock = REAL_CLOCK,
    even_if_final: bool = False,
) -> T:
    """Run ``action``, again after each of ``errors``, at least once and not beyond ``until``.

    Args:
        action: To do twice must do no harm.
        errors: What may pass.
        until: When to stop trying, by ``clock``.
        what: What waits meanwhile, for the log: "orders.pay[7f3a]: its retry".
        clock: Where time comes from, and how to let it pass.
        even_if_final: Also try again what the broker says it will never take: where nothing else
            can be done, and an operator may raise its limit.

    Raises:
        Exception: the last of ``errors``, when the time is over; any other one at once, and one
            that says that it is final.
    """
    pause = _FIRST_PAUSE
    is_said = False
    while True:
        try:
            result = action()
        except errors as error:
            if is_final(error) and not even_if_final:
                raise
            if clock.monotonic() + pause > until:
                raise
            if not is_said:
                is_said = True
                _logger.warning("%s waits: %s", what, _first_line(error))
        else:
            if is_said:
                _logger.info("%s waits no longer", what)
            return result
        clock.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def patience(task: FrameworkTask, began: float) -> float:
    """How long an attempt that began at ``began`` may wait to be settled, by the same clock.

    A pool that can kill does so at the hard limit, and the body would run again: all is to be
    done before. Ten minutes are enough for a broker or a database to come back.
    """
    app: App = task.app
    now = app.pauses.monotonic()
    hard_limit = began + (task.time_limit or 0)
    return max(now, min(hard_limit - _MARGIN, now + _LONGEST))


_MARGIN, _LONGEST = 5.0, 600.0


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
