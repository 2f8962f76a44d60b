"""Times as people type them: so long ago, or a moment."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from fw_core.errors import OptionError

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, *, now: datetime, option: str) -> datetime:
    """Read ``90s``, ``30m``, ``1h``, ``2d`` or ``1w`` ago, or an ISO 8601 time, without zone UTC.

    >>> noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    >>> moment("36h", now=noon, option="--since").isoformat()
    '2026-01-01T00:00:00+00:00'

    Raises:
        OptionError: it is neither.
    """
    found = _AGO.fullmatch(text.strip())
    try:
        if found:
            return now - timedelta(**{_UNITS[found[2]]: float(found[1])})
        given = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise OptionError(
            f"{option} is {text!r}, which is no time.",
            "It takes a duration before now, or a moment.",
            f"{option} 1h, {option} 2d, or {option} 2026-01-31T12:00",
        ) from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)
