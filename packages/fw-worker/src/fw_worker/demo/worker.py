"""The demo's worker: a real process, whose log and prints the demo reads as they come."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO, Any

from fw_worker.demo.report import NotAsSaid

PATIENCE = 20.0
"""Seconds after which something that is to happen has not happened."""

Event = dict[str, Any]
"""A line of the log as its JSON object, or ``{"printed": text}``."""


class DemoWorker:
    """``fw worker`` in a process of its own; to be stopped by the one who made it."""

    def __init__(self, modules: Sequence[str]) -> None:
        named = [word for module in modules for word in ("-m", module)]
        command = [sys.executable, "-m", "fw_worker.cli", "worker", *named, "--concurrency", "2"]
        self.log: list[str] = []
        self._events: queue.Queue[Event] = queue.Queue()
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # one pipe: what was said first is read first
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "FW_LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl+C is for the demo, which then stops its worker
        )
        assert self._process.stdout is not None
        threading.Thread(target=self._follow, args=(self._process.stdout,), daemon=True).start()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def wait_for(self, what: str, matches: Callable[[Event], bool]) -> tuple[Event, list[Event]]:
        """Read events until one matches.

        Returns:
            The event, and what came before it.

        Raises:
            NotAsSaid: it did not come, or the worker ended.
        """
        deadline = time.monotonic() + PATIENCE
        before: list[Event] = []
        while True:
            try:
                event = self._events.get(timeout=0.1)
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise NotAsSaid(what, f"not within {PATIENCE:g} s") from None
                if self._process.poll() is not None and self._events.empty():
                    code = self._process.returncode
                    raise NotAsSaid(what, f"the worker ended with exit code {code}") from None
                continue
            if matches(event):
                return event, before
            before.append(event)

    def stop(self) -> int:
        """Ask the worker to stop, as a deployment does, and return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise NotAsSaid("the worker stops", f"not within {PATIENCE:g} s") from None

    def kill(self) -> None:
        """End the worker and its processes, whatever they do."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _follow(self, stream: IO[str]) -> None:
        for line in stream:
            self.log.append(line.rstrip("\n"))
            self._events.put(_event(line.rstrip("\n")))


def _event(line: str) -> Event:
    try:
        event = json.loads(line)
    except ValueError:
        return {"printed": line}
    return event if isinstance(event, dict) and "logger" in event else {"printed": line}
