"""What another service asked for: the ``Retry-After`` of an answer 429 or 503.

The header holds seconds or an HTTP date (RFC 9110, section 10.2.3). It is found on an exception
that carries the response, as httpx and requests raise it; neither library is imported.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

_ASKS_TO_WAIT = {429, 503}


def retry_after(error: BaseException, *, now: datetime) -> float | None:
    """The seconds that ``error`` asks to wait, or None if it asks for none.

    Args:
        error: Any exception; one with a ``response`` of status 429 or 503 is looked into.
        now: The time to count an HTTP date from, with a time zone.
    """
    try:
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", getattr(response, "status", None))
        if status not in _ASKS_TO_WAIT:
            return None
        header = _header(getattr(response, "headers", None))
        return None if header is None else parse(header, now=now)
    except Exception:  # the error's own attributes are code of others: it must not change the error
        return None


def parse(header: str, *, now: datetime) -> float | None:
    """The seconds that a ``Retry-After`` header means; None where it means nothing.

    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> parse("120", now=noon)
    120.0
    >>> parse("Thu, 01 Jan 2026 12:00:30 GMT", now=noon)
    30.0
    >>> parse("soon", now=noon) is None
    True
    """
    text = header.strip()
    try:
        seconds = float(text)
    except ValueError:
        seconds = _until(text, now)
    if not math.isfinite(seconds):
        return None
    return max(seconds, 0.0)


def _until(text: str, now: datetime) -> float:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return math.nan
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return (date - now).total_seconds()


def _header(headers: Any) -> str | None:
    for name, value in headers.items():
        if str(name).lower() == "retry-after":
            return str(value)
    return None
