"""What is made once for the tests of a process, because making it takes longer than a test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from kombu import Connection

from fw_core.broker import local
from fw_core.broker.local import Store
from fw_core.broker.topology import Declared, Topology
from fw_core.settings import Settings, read_settings

RESULTS = "sqlite:///file:fw-testing?mode=memory&uri=true"
"""One database in memory for all tests of a process, emptied after each: tables cost time."""


def settings_in_memory() -> Settings:
    """The settings of this process, with nothing outside of it.

    They are read again when the environment, the directory or its ``pyproject.toml`` is another.
    """
    own = tuple(sorted(item for item in os.environ.items() if item[0].upper().startswith("FW_")))
    here = Path.cwd()
    return _read(own, here, tuple(_changed(path) for path in (here, *here.parents)))


def _changed(directory: Path) -> int | None:
    try:
        return directory.joinpath("pyproject.toml").stat().st_mtime_ns
    except OSError:
        return None


_MOST_DECLARED = 16
_declared: dict[tuple[str, ...], tuple[Store, frozenset[str]]] = {}
os.register_at_fork(after_in_child=_declared.clear)  # a store in memory stays with its process


@lru_cache(maxsize=1)
def _read(*_: Any) -> Settings:
    return read_settings(
        broker_url=local.memory_url("bench"), database_url=RESULTS, task_modules=()
    )


class DeclaredOnce(Declared):
    """What has been declared, by any connection: all of a test's lead to one store.

    Args:
        topology: What is declared.
        store: Where.
    """

    def __init__(self, topology: Topology, store: Store) -> None:
        super().__init__(topology)
        self._topology = topology
        self._store = store

    def declare(self, queues: Iterable[str], connect: Callable[[], Connection]) -> None:
        """Declare what a worker of these queues does, in a store to which nobody has connected.

        It is the same for test after test, and is copied from where it was done first.
        """
        key = (self._topology.prefix, *sorted(queues))
        if key not in _declared:
            with connect() as connection:
                for name in queues:
                    self.ensure(None, connection.default_channel, queue=name, wait_ms=None)
            if len(_declared) >= _MOST_DECLARED:
                _declared.clear()
            _declared[key] = Store(), frozenset(self._seen[self])
            _declared[key][0].start_like(self._store)
            return
        store, seen = _declared[key]
        self._store.start_like(store)
        self._seen[self] = set(seen)

    def has(self, connection: Any, **what: Any) -> bool:
        """Whether somebody has declared it."""
        return super().has(self, **what)

    def ensure(self, connection: Any, channel: Any, **what: Any) -> None:
        """Declare what nobody has declared."""
        super().ensure(self, channel, **what)

    def forget(self, connection: Any) -> None:
        """Declare everything again: something was deleted."""
        super().forget(self)
