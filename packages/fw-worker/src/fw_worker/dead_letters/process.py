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
from fw_worker.dead_letters.signs import Sign, Signs

LOOK_SECONDS = 1.0
LONGEST_PAUSE = 30.0
STOP_SECONDS = 1.0

SILENT_LOOKS = 60
"""A collector that says nothing for so long hangs: it is ended, and another one started."""

_MODULE = "fw_worker.dead_letters.collector"

_logger = logging.getLogger("fw.worker")


class CollectorProcess:
    """Keeps one collector running.

    Args:
        app: The worker's app.

    Attributes:
        kept: When a collector last kept something, in seconds since 1970; None: not yet.
        idle_looks: Looks since it was last able to look for messages itself.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = LOOK_SECONDS
        self._again_at: float | None = None
        self._signs: Signs | None = None
        self._sign = Sign()
        # In looks, not seconds: a machine that slept is no silence.
        self._mute_looks = 0
        self.idle_looks = 0
        self.kept: float | None = None

    @property
    def pid(self) -> int | None:
        """The running process."""
        return None if self._process is None else self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether there is a process that runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def unsettled(self) -> int:
        """How many messages it holds that could not be kept yet."""
        return self._sign.unsettled

    def start(self) -> None:
        """Start the process."""
        self._forget_signs()
        self._signs = Signs.to_share()
        shared = self._signs.descriptor or 0
        with tempfile.TemporaryFile() as routes:
            routes.write(json.dumps(routes_of(self._app.registry)).encode())
            routes.seek(0)
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-P", "-m", _MODULE, str(shared), str(os.getpid())],
                pass_fds=[shared],
                env={**os.environ, **self._environment()},
                stdin=routes,
            )
        self._started = time.monotonic()
        self._again_at = None

    def look(self) -> None:
        """Start it again if it has died: at once after a good run, else after a growing pause."""
        if self._process is None:
            return
        self._listen()
        now = time.monotonic()
        if self._again_at is not None:
            if now >= self._again_at:
                self.start()
            return
        code = self._process.poll()
        if code is None:
            if self._mute_looks >= SILENT_LOOKS:
                _logger.warning(
                    "The collector of dead letters has not gone on for %d s, and is ended",
                    self._mute_looks * LOOK_SECONDS,
                )
                self._mute_looks = 0
                self._process.kill()
            return
        ran_well = now - self._started > LONGEST_PAUSE
        self._pause = LOOK_SECONDS if ran_well else min(2 * self._pause, LONGEST_PAUSE)
        self._again_at = now + self._pause
        _logger.warning(
            "The collector of dead letters ended (exit code %d) and starts again in %.0f s",
            code,
            self._pause,
        )

    def _listen(self) -> None:
        """Read what it says; ``idle_looks`` counts since it last looked for messages."""
        last, self._sign = self._sign, self._signs.read() if self._signs else Sign()
        self._mute_looks = self._mute_looks + 1 if self._sign.beats == last.beats else 0
        self.idle_looks = self.idle_looks + 1 if self._sign.turns <= last.turns else 0
        self.kept = self._sign.kept or self.kept

    def _forget_signs(self) -> None:
        signs, self._signs, self._sign = self._signs, None, Sign()
        self._mute_looks = 0
        if signs is not None:
            signs.close()

    def stop(self) -> None:
        """End the process; what it has not acknowledged stays with the broker."""
        self._forget_signs()
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

    def __init__(self, w: Any, **options: Any) -> None:
        super().__init__(w, **options)
        w.collector = None

    def create(self, w: Any) -> Any:
        """Make it; it starts before messages are taken and ends after the last attempt."""
        w.collector = CollectorProcess(w.app)
        return _Step(w.collector, w.timer)


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
