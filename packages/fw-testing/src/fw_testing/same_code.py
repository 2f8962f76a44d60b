"""Spares an attempt that fails the copying of what does not change: the code of its functions.

For each failure Celery copies the code of every function in the traceback, with the position of
every instruction, to send it from a child process to its parent. Most of these functions are its
own and fw's, the same each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

from billiard import einfo

_Frame: Any = einfo._Frame
_MOST = 500

_copies: dict[int, tuple[CodeType, Any]] = {}
"""By identity, for code in two files can be equal; it is kept too, or another could get its id."""


@contextmanager
def code_copied_once() -> Iterator[None]:
    """Let a function's code be copied once in this process, until the block ends."""
    before = vars(_Frame)["Code"]
    _Frame.Code = staticmethod(_copy)
    try:
        yield
    finally:
        _Frame.Code = before


def _copy(code: CodeType) -> Any:
    found = _copies.get(id(code))
    if found is None:
        if len(_copies) >= _MOST:  # those that tests bring with them
            _copies.clear()
        found = _copies[id(code)] = (code, einfo._Code(code))
    return found[1]
