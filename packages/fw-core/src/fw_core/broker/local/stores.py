"""The stores of this process: one for each file and one for each name in memory."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from fw_core.broker.local.errors import MemoryStoreExistsError
from fw_core.broker.local.location import FileLocation, parse
from fw_core.broker.local.store import Clock, Store

_files: dict[Path, Store] = {}
_memory: dict[str, Store] = {}
_registry = threading.Lock()


def file_store(path: Path) -> Store:
    """Return this process's store in the file ``path``; nothing is opened before its first use."""
    absolute = path.expanduser().absolute()
    with _registry:
        if absolute not in _files:
            _files[absolute] = Store(absolute)
        return _files[absolute]


def memory_store(name: str, *, clock: Clock | None = None) -> Store:
    """Return this process's store in memory called ``name``, made when it is first asked for.

    Args:
        name: The last part of its URL.
        clock: Gives the time in epoch seconds; the system's unless said otherwise.

    Raises:
        MemoryStoreExistsError: it was made with another clock.
    """
    with _registry:
        if name not in _memory:
            _memory[name] = Store(name=name, clock=clock or time.time)
        elif clock is not None and _memory[name].clock != clock:
            raise MemoryStoreExistsError(name=name)
        return _memory[name]


def forget(name: str) -> None:
    """Drop the store in memory called ``name`` with all it holds, if there is one."""
    with _registry:
        store = _memory.pop(name, None)
    if store is not None:
        store.close()


def store_at(url: str) -> Store:
    """Return the store that the broker URL ``url`` names.

    Raises:
        LocalUrlError: it is no URL of a local broker.
    """
    location = parse(url)
    if isinstance(location, FileLocation):
        return file_store(location.path)
    return memory_store(location.name)


def _after_fork_in_child() -> None:
    global _registry
    _registry = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
