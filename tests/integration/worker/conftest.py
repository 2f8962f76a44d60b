"""The ``fw`` command as people and deployments run it: real processes in an empty directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fw_core.broker.local import file_store

DEADLINE_SECONDS = 60.0

TASKS = """
import asyncio, logging, os, time
from fw_core import register_task, task_framework

log = logging.getLogger("team")

@task_framework(retries=1, backoff=[0.1])
def greet(name: str) -> str:
    log.info("greeting somebody")
    return f"Hello {name}"

@task_framework
async def greet_async(name: str) -> str:
    log.info("greeting somebody")
    await asyncio.sleep(0)
    return f"Hello {name}"

@task_framework(retries=1, backoff=[0.1])
def fails(secret: str) -> None:
    raise ValueError("no such order")

@task_framework(priority=7)
def nap(seconds: float) -> str:
    log.info("asleep")
    time.sleep(seconds)
    return "rested"

@register_task("task1")
@task_framework
def task1(data): return f"Task1 result: {data}"

@register_task("task2")
@task_framework
def task2(data): return f"Task2 result: {data}"
"""


class Process:
    """A command that runs, with what it has written so far."""

    def __init__(self, words: tuple[str, ...], place: Path, env: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, *words],
                cwd=place,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """All that it has written so far, on both streams."""
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until it has written ``text``."""
        end = time.monotonic() + DEADLINE_SECONDS
        while self.log.count(text) < times:
            code = self.process.poll()
            if self.log.count(text) < times:
                assert code is None, f"it ended with {code}:\n{self.log}"
                assert time.monotonic() < end, f"it has not written {text!r}:\n{self.log}"
            time.sleep(0.05)

    def ready(self) -> Process:
        """Wait until it takes messages."""
        self.wait_for("Ready: waiting for messages")
        return self

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        """Ask it to end; returns its exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(DEADLINE_SECONDS)

    def kill(self) -> None:
        """End it and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Place:
    """A directory with one module of tasks, ``team``, and no settings but those of the test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("FW_")}
        self.env |= {"FW_TASK_MODULES": "team", "PYTHONUNBUFFERED": "1"}
        self.processes: list[Process] = []
        self.write(TASKS)

    def write(self, text: str) -> None:
        """Write the module of tasks."""
        (self.path / "team.py").write_text(text)

    def add(self, text: str) -> None:
        """Write more into the module of tasks."""
        with (self.path / "team.py").open("a") as module:
            module.write(text)

    def start(self, *words: str, **env: str) -> Process:
        """Start an ``fw`` command that goes on."""
        return self.start_python("-m", "fw_worker.cli", *words, **env)

    def start_python(self, *words: str, **env: str) -> Process:
        """Start a Python program that goes on."""
        log = self.path / f"process{len(self.processes) + 1}.log"
        process = Process(words, self.path, {**self.env, **env}, log)
        self.processes.append(process)
        return process

    def run(
        self,
        *words: str,
        code: int | None = 0,
        within: float = DEADLINE_SECONDS,
        **env: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; ``code`` is the exit code that it must have, None any."""
        return self._run("-m", "fw_worker.cli", *words, code=code, within=within, **env)

    def run_python(self, text: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a program that knows the module of tasks."""
        return self._run("-c", text, code=0, within=DEADLINE_SECONDS, **env)

    def wait_until_empty(self) -> None:
        """Wait until no message is in a queue of tasks, also none that a worker holds."""
        store = file_store(self.path / ".fw" / "broker.db")
        end = time.monotonic() + DEADLINE_SECONDS
        while any(
            queue.ready + queue.delayed + queue.owned
            for queue in store.queues()
            if not queue.name.startswith("fw.")
        ):
            assert time.monotonic() < end, f"messages are left: {store.queues()}"
            time.sleep(0.05)

    def send(self, *calls: str) -> list[str]:
        """Send calls of the module's tasks, such as ``nap(1)``; returns their ids."""
        sends = [call.replace("(", ".delay(", 1) for call in calls]
        program = "from team import *\n" + "\n".join(f"print(({send}).id)" for send in sends)
        return self.run_python(program).stdout.split()

    def _run(
        self, *words: str, code: int | None, within: float, **env: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.path,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
        assert code in (None, done.returncode), done.stdout + done.stderr
        return done


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Where the commands of a test run."""
    here = Place(tmp_path)
    try:
        yield here
    finally:
        for number, process in enumerate(here.processes, start=1):
            process.kill()
            print(f"--- log of process {number} ---\n{process.log}")


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Waits for a condition, with a deadline."""

    def wait(condition: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
            time.sleep(0.05)

    return wait
