"""Timestamps in headers that no calendar knows, read as the numbers that they are.

A header of AMQP's type ``T`` counts seconds; publishers in other languages write milliseconds by
mistake. py-amqp makes a ``datetime`` of it while it reads the frame, so the error ends the whole
connection, and the broker delivers the message again to the next one, which ends too.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import unpack_from
from typing import Any

from amqp import serialization

_TIMESTAMP = ord("T")


def tolerate_odd_timestamps() -> None:
    """Let this process read every header; again is no harm.

    py-amqp finds the function by its name in its module for each value, nested ones too.
    """
    if not hasattr(serialization._read_item, "fw_exact"):
        serialization._read_item = tolerant(serialization._read_item)


def tolerant(exact: Callable[[Any, int], tuple[Any, int]]) -> Callable[[Any, int], tuple[Any, int]]:
    """Read as ``exact`` does, and a timestamp that it cannot read as a signed number."""

    def read_item(buf: Any, offset: int) -> tuple[Any, int]:
        try:
            return exact(buf, offset)
        except (ValueError, OverflowError, OSError):
            if buf[offset] != _TIMESTAMP:
                raise
        (value,) = unpack_from(">q", buf, offset + 1)
        return value, offset + 9

    vars(read_item)["fw_exact"] = exact
    return read_item
