"""What is made once for the tests of a process, because making it takes longer than a test."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from fw_core.broker import local
from fw_core.broker.topology import Declared
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


@lru_cache(maxsize=1)
def _read(*_: Any) -> Settings:
    return read_settings(
        broker_url=local.memory_url("bench"), database_url=RESULTS, task_modules=()
    )


class DeclaredOnce(Declared):
    """What has been declared, by any connection: all of a test's lead to one store."""

    def ensure(self, connection: Any, channel: Any, **what: Any) -> None:
        """Declare what nobody has declared."""
        super().ensure(self, channel, **what)

    def forget(self, connection: Any) -> None:
        """Declare everything again: something was deleted."""
        super().forget(self)
