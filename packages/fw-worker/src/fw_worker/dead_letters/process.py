"""The collector's process beside a worker: started with it, again when it dies, ended with it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from celery import bootsteps

from fw_core.broker.app import App
from fw_worker.dead_letters.routes import routes_of

LOOK_SECONDS = 1.0
LONGEST_PAUSE = 30.0
STOP_SECONDS = 1.0

_MODULE = "fw_worker.dead_letters.collector"

_logger = logging.getLogger("fw.worker")


class CollectorProcess:
    """Keeps one collector running.

    Args:
        app: The worker's app.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = LOOK_SECONDS
        self._again_at: float | None = None

    @property
    def pid(self) -> int | None:
        """The running process."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process."""
        with tempfile.TemporaryFile() as routes:
            routes.write(json.dumps(routes_of(self._app.registry)).encode())
            routes.seek(0)
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-P", "-m", _MODULE, str(os.getpid())],
                env={**os.environ, **self._environment()},
                stdin=routes,
            )
        self._started = time.monotonic()
        self._again_at = None

    def look(self) -> None:
        """Start it again if it has died: at once after a good run, else after a growing pause."""
        if self._process is None:
            return
        now = time.monotonic()
        if self._again_at is not None:
            if now >= self._again_at:
                self.start()
            return
        code = self._process.poll()
        if code is None:
            return
        ran_well = now - self._started > LONGEST_PAUSE
        self._pause = LOOK_SECONDS if ran_well else min(2 * self._pause, LONGEST_PAUSE)
        self._again_at = now + self._pause
        _logger.warning(
            "The collector of dead letters ended (exit code %d) and starts again in %.0f s",
            code,
            self._pause,
        )

    def stop(self) -> None:
        """End the process; what it has not acknowledged stays with the broker."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _environment(self) -> dict[str, str]:
        """The worker's settings; its tasks are not imported, their queues are told."""
        queues = ",".join(self._app.queues)
        return {**self._app.settings.environment(), "FW_TASK_MODULES": "", "FW_QUEUES": queues}


class CollectDeadLetters(bootsteps.StartStopStep):  # type: ignore[misc]
    """The worker's step that keeps a collector running beside it."""

    requires = ("celery.worker.components:Timer",)

    def include_if(self, w: Any) -> bool:
        """Unless the settings say that other workers collect."""
        return bool(w.app.settings.collect_dead_letters)

    def create(self, w: Any) -> Any:
        """Make it; it starts before messages are taken and ends after the last attempt."""
        self._collector = CollectorProcess(w.app)
        return _Step(self._collector, w.timer)


class _Step:
    """What Celery starts and stops."""

    def __init__(self, collector: CollectorProcess, timer: Any) -> None:
        self._collector = collector
        self._timer = timer
        self._entry: Any = None

    def start(self) -> None:
        self._collector.start()
        self._entry = self._timer.call_repeatedly(LOOK_SECONDS, self._collector.look)

    def stop(self) -> None:
        if self._entry is not None:
            self._entry.cancel()
        self._collector.stop()

    terminate = stop
