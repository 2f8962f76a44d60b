"""A real worker process, started for a test and gone after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from fw_core.settings import Settings

START_SECONDS = 60.0
STOP_SECONDS = 30.0


class WorkerNotReady(AssertionError):  # noqa: N818 - reads as what happened
    """The worker ended, or did not get ready in time; the text has its log."""


class LiveWorker:
    """One worker process; made by the fixture ``fw_live_worker``.

    Attributes:
        process: The worker's main process.
    """

    def __init__(self, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self.process = process
        self._log_path = log_path

    @property
    def pid(self) -> int:
        """The main process; its children are in the process group of this number."""
        return self.process.pid

    @property
    def log(self) -> str:
        """All that the worker has written so far."""
        return self._log_path.read_text(errors="replace")

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until the worker takes messages.

        Raises:
            WorkerNotReady: it ended, or takes longer.
        """
        self.wait_for_log("Ready: waiting for messages", seconds)

    def wait_for_log(self, text: str, seconds: float = START_SECONDS) -> None:
        """Wait until the worker has written ``text``.

        Raises:
            WorkerNotReady: it ended, or takes longer.
        """

        def wrote_it() -> bool:
            return text in self.log

        if not self._wait(wrote_it, seconds) and not wrote_it():
            code = self.process.poll()
            state = "still runs" if code is None else f"ended with exit code {code}"
            raise WorkerNotReady(
                f"The worker {state} and has not written {text!r}. Its log:\n{self.log}"
            )

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """Ask the worker to finish what it runs and end; returns its exit code.

        Raises:
            subprocess.TimeoutExpired: it takes longer; it is killed then.
        """
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the worker and its children at once, as a machine that fails would."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.05)
        return False


def start_worker(
    settings: Settings,
    *,
    modules: Sequence[str],
    queues: Sequence[str],
    concurrency: int,
    pool: str,
    env: Mapping[str, str],
    directory: Path,
    log_path: Path,
) -> LiveWorker:
    """Start a worker with these settings; it is not ready when this returns."""
    command = [
        *(sys.executable, "-m", "fw_worker.cli", "worker"),
        *("--concurrency", str(concurrency), "--pool", pool),
    ]
    if queues:
        command += ["--queues", ",".join(queues)]
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            cwd=directory,
            env={**os.environ, **_environment(settings, modules), **env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that kill() reaches the children too
        )
    return LiveWorker(process, log_path)


def _environment(settings: Settings, modules: Sequence[str]) -> dict[str, str]:
    return {
        "FW_BROKER_URL": settings.broker_url,
        "FW_DATABASE_URL": settings.database_url,
        "FW_MANAGEMENT_URL": settings.management_url,
        "FW_PREFIX": settings.prefix,
        "FW_TASK_MODULES": ",".join(modules),
        # What the test can import, the worker can too.
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONUNBUFFERED": "1",
    }
