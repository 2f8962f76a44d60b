"""JSON as its standard has it: what Python's reader would let pass or guess is refused."""

from __future__ import annotations

import json
from typing import Any


class TooDeep(ValueError):  # noqa: N818 - reads as what happened
    """A text is nested deeper than Python reads."""


def loads(text: str | bytes) -> Any:
    """The value that a JSON text says.

    Raises:
        ValueError: it says none, or says it in two ways: a key that is there twice, ``NaN``, a text
            with half a character; in one line, for people.

    >>> loads('{"id": "order-17", "id": "order-18"}')
    Traceback (most recent call last):
        ...
    ValueError: the key 'id' is there twice
    """
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None
    except RecursionError:
        raise TooDeep("it is nested too deep") from None
    if b"\\u" in text if isinstance(text, bytes) else "\\u" in text:
        _check_characters(value)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; Python would take the last of two values under one key."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _check_characters(value: Any) -> None:
    """An escape can stand for half a character, which no database takes."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise ValueError(f"{half!r} is half a character") from None
