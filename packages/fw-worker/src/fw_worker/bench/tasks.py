"""The tasks that are measured: they do nothing, and note when they ran."""

from __future__ import annotations

import os
import struct
import time

from fw_core import task_framework

JOURNAL = "FW_BENCH_JOURNAL"
"""The variable that names the file in which each run is noted."""

WAIT_MS = 1000
"""Before an attempt whose process was killed is made again."""

_ROW = struct.Struct("=dI")


def runs(text: bytes) -> list[tuple[float, int]]:
    """When each run was, in seconds since 1970, and the number of its call.

    >>> runs(_ROW.pack(1.5, 7))
    [(1.5, 7)]
    """
    whole = len(text) - len(text) % _ROW.size
    return [(moment, number) for moment, number in _ROW.iter_unpack(text[:whole])]


@task_framework(ignore_result=True)
def ignored(number: int) -> None:
    """Keep no result."""
    _note(number)


@task_framework(retries=3, backoff=[WAIT_MS / 1000], jitter=0)
def kept(number: int) -> int:
    """Keep a result."""
    _note(number)
    return number


def _note(number: int) -> None:
    path = os.environ.get(JOURNAL)
    if path is None:
        return
    file = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(file, _ROW.pack(time.time(), number))  # one write, so rows do not mix
    finally:
        os.close(file)
