"""To try again what has to succeed: growing pauses, an end, and one line that says what waits."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

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
) -> T:
    """Run ``action``, again after each of ``errors``, at least once and not beyond ``until``.

    Args:
        action: To do twice must do no harm.
        errors: What may pass.
        until: When to stop trying, by ``clock``.
        what: What waits meanwhile, for the log: "orders.pay[7f3a]: its retry".
        clock: Where time comes from, and how to let it pass.

    Raises:
        Exception: the last of ``errors``, when the time is over; any other one at once.
    """
    pause = _FIRST_PAUSE
    is_said = False
    while True:
        try:
            result = action()
        except errors as error:
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


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
