"""A worker that starts again when a file changes: for the developer's own machine."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from watchfiles import PythonFilter, watch

STOP_SECONDS = 5.0
"""How long a task may go on after a change; it is run again from the start then."""

_LOOK_MS = 500


def watched_directories(modules: Sequence[str]) -> tuple[Path, ...]:
    """The working directory, and where task modules lie that are not in it."""
    here = Path.cwd()
    found = {here}
    if str(here) not in sys.path:
        sys.path.insert(0, str(here))
    for module in modules:
        try:
            spec = importlib.util.find_spec(module.partition(".")[0])
        except (ImportError, ValueError):
            continue
        locations = list(spec.submodule_search_locations or ()) if spec else []
        if spec and spec.origin and not locations:
            locations = [str(Path(spec.origin).parent)]
        for location in map(Path, locations):
            if location.is_dir() and not location.is_relative_to(here):
                found.add(location)
    return tuple(sorted(found))


class ReloadingWorker:
    """Keeps one worker process running the code as it stands.

    Args:
        command: Starts the worker; it says itself what is wrong with the code.
        directories: Where a change of a Python file or of pyproject.toml counts.
        say: Tells the developer what happens.
    """

    def __init__(
        self, command: Sequence[str], directories: Sequence[Path], say: Callable[[str], None]
    ) -> None:
        self._command = list(command)
        self._directories = tuple(directories)
        self._say = say
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Run until Ctrl+C or SIGTERM; returns the exit code."""
        before = signal.signal(signal.SIGTERM, self._on_sigterm)
        self._start()
        try:
            for changes in watch(
                *self._directories,
                watch_filter=PythonFilter(extra_extensions=(".toml",)),
                stop_event=self._stopping,
                rust_timeout=_LOOK_MS,
                yield_on_timeout=True,
                raise_interrupt=True,
            ):
                if changes:
                    self._say(f"{_shown({path for _, path in changes})} changed: starting again")
                    self._stop()
                    self._start()
                elif self._process is not None and self._process.poll() is not None:
                    code = self._process.returncode
                    self._process = None
                    self._say(f"The worker has ended (exit code {code}); waiting for a change")
        except KeyboardInterrupt:
            pass
        finally:
            self._stop()
            signal.signal(signal.SIGTERM, before)
        return 0

    def _start(self) -> None:
        self._process = subprocess.Popen(self._command)  # noqa: S603 - our own command

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._say("A task is still running: it is stopped, and will run again from the start")
            process.kill()
            process.wait()

    def _on_sigterm(self, signum: int, frame: FrameType | None) -> None:
        self._stopping.set()


def _shown(paths: set[str]) -> str:
    names = sorted(os.path.relpath(path) for path in paths)
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
