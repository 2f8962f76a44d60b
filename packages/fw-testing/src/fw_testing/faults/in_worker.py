"""Puts a fault into a real worker: a module that ``fw_live_worker`` has its workers import."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from fw_testing.faults.injection import Injection, sleep_beyond
from fw_testing.faults.occurrences import InDirectory

MODULE = __name__
_NAME, _DIRECTORY, _LASTING = "FW_TEST_FAULT", "FW_TEST_FAULT_DIRECTORY", "FW_TEST_FAULT_LASTING"


def environment(name: str, directory: Path, *, lasting: bool) -> dict[str, str]:
    """What tells a worker of its fault."""
    return {_NAME: name, _DIRECTORY: str(directory), _LASTING: "1" if lasting else ""}


def put_in_from(environ: Mapping[str, str]) -> None:
    """Put in, for the life of this process, the fault that the environment names."""
    injection = Injection(
        InDirectory(Path(environ[_DIRECTORY])),
        lasting=bool(environ.get(_LASTING)),
        die=_die,
        outlast=sleep_beyond,
    )
    injection.put_in(environ[_NAME], ExitStack())


def _die() -> None:
    """End the process that runs tasks, as the system does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


if _NAME in os.environ:
    put_in_from(os.environ)
