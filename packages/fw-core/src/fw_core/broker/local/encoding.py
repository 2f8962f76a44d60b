"""Headers and properties as text: JSON, plus the AMQP table types that JSON lacks."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

_MARK = "__amqp__"


def dumps(table: Mapping[str, Any]) -> str:
    """Return ``table`` as text that ``loads`` reads back.

    >>> loads(dumps({"at": datetime(2026, 1, 2), "raw": b"x", "n": 1}))
    {'at': datetime.datetime(2026, 1, 2, 0, 0), 'raw': b'x', 'n': 1}

    Raises:
        TypeError: a value has no place in an AMQP table.
    """
    return json.dumps(table, default=_mark, separators=(",", ":"))


def loads(text: str) -> dict[str, Any]:
    """Return the table that ``dumps`` wrote."""
    # The hook costs a Python call per object, so it is only passed when there is work for it.
    table: dict[str, Any] = json.loads(text, object_hook=_unmark if _MARK in text else None)
    return table


def _mark(value: object) -> dict[str, str]:
    match value:
        case datetime():
            return {_MARK: "timestamp", "value": value.isoformat()}
        case bytes() | bytearray():
            return {_MARK: "bytes", "value": base64.b64encode(bytes(value)).decode("ascii")}
        case Decimal():
            return {_MARK: "decimal", "value": str(value)}
        case _:
            pass
    raise TypeError(f"{type(value).__name__} cannot travel in message headers: {value!r}")


def _unmark(found: dict[str, Any]) -> Any:
    match found.get(_MARK):
        case "timestamp":
            return datetime.fromisoformat(found["value"])
        case "bytes":
            return base64.b64decode(found["value"])
        case "decimal":
            return Decimal(found["value"])
        case _:
            return found
