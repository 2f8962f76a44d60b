"""Liveness by the kernel: an owner lives for as long as it holds a lock on its byte.

A POSIX record lock is dropped by the kernel when its process dies, however it dies, and is not
inherited by a fork. So there is no lease, no heartbeat and no clock to be wrong: a task may run for
days, and a killed worker is noticed at once.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_OPENING = 0  # the byte that serialises opening and closing the database


class LockFile:
    """The side file of one store, opened once in a process and never closed.

    Closing any descriptor of a file drops all record locks that the process has on it (fcntl(2)),
    which is why ``lock_file`` hands out one instance and keeps it.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._mine: set[int] = set()
        self._turn = threading.Lock()

    def hold(self, number: int) -> None:
        """Say that owner ``number`` lives, until ``drop`` or the end of this process."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        self._mine.add(number)

    def drop(self, number: int) -> None:
        """Say that owner ``number`` is gone."""
        if number in self._mine:
            self._mine.discard(number)
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, number)

    def is_held(self, number: int) -> bool:
        """Whether owner ``number`` lives, in this process or another."""
        if number in self._mine:  # the kernel would grant a process its own lock again
            return True
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except OSError:
            return True
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, number)
        return False

    @contextmanager
    def opening(self) -> Generator[None]:
        """Be the only one on this machine to open or close the database."""
        with self._turn:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX, 1, _OPENING)
            try:
                yield
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, _OPENING)

    def forget_after_fork(self) -> None:
        """Start anew in a forked child, which holds none of its parent's locks."""
        self._mine = set()
        self._turn = threading.Lock()


_files: dict[tuple[int, int], LockFile] = {}
_registry = threading.Lock()


def lock_file(path: Path) -> LockFile:
    """Return this process's one ``LockFile`` for the file that ``path`` names now."""
    with _registry:
        try:
            found = path.stat()
        except FileNotFoundError:
            path.touch()
            found = path.stat()
        key = (found.st_dev, found.st_ino)
        if key not in _files:
            _files[key] = LockFile(path)
        return _files[key]


def _after_fork_in_child() -> None:
    global _registry
    _registry = threading.Lock()
    for held in _files.values():
        held.forget_after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
