"""Real worker processes on one file, started for a test and gone after it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fw_core.broker.local import QueueView, Store, file_store, file_url

from .local_worker_app import BROKER, JOURNAL, make_app

DEADLINE_SECONDS = 60.0


@dataclass
class Yard:
    """One broker file, its workers and their journal."""

    directory: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = self.directory / "journal"
        self.journal.touch()
        self.path = self.directory / ".fw" / "broker.db"
        self.store: Store = file_store(self.path)
        self.app = make_app(file_url(self.path))
        self.store.declare_queue("dead")
        with self.app.connection_for_write() as connection:
            for queue in self.app.amqp.queues.values():
                queue(connection.default_channel).declare()

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a Python process that knows the file; its output goes to a log."""
        log = (self.directory / f"{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=Path(__file__).parent,
            env={**os.environ, BROKER: file_url(self.path), JOURNAL: str(self.journal)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        self.processes.append(process)
        return process

    def start_worker(
        self, pool: str = "prefork", *options: str, children: int = 2
    ) -> subprocess.Popen[bytes]:
        """Start a worker and return when it is ready."""
        ready = len(self.lines("ready"))
        name = f"w{len(self.processes)}@test"
        process = self.start(
            *("-m", "celery", "-A", "local_worker_app", "worker", "-n", name),
            *("-P", pool, "-c", str(children), "--without-mingle", "-l", "INFO", *options),
        )
        self.wait_until(lambda: len(self.lines("ready")) > ready, "a worker is ready")
        return process

    def send(self, task: str, *arguments: object, **options: Any) -> None:
        """Publish a call."""
        self.app.send_task(task, arguments, **options)

    def lines(self, word: str) -> list[list[str]]:
        """The journal's lines that begin with ``word``, without it."""
        found = (line.split() for line in self.journal.read_text().splitlines())
        return [line[1:] for line in found if line[0] == word]

    def queue(self, name: str = "work") -> QueueView:
        """The counts of one queue."""
        return next(queue for queue in self.store.queues() if queue.name == name)

    def is_empty(self) -> bool:
        """Whether no message waits or runs."""
        work = self.queue()
        return work.ready + work.delayed + work.owned == 0

    def logs(self) -> str:
        """What all processes said."""
        return "\n".join(log.read_text() for log in sorted(self.directory.glob("*.log")))

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Return as soon as ``condition`` holds; fail the test at the deadline."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"not within {DEADLINE_SECONDS:g} s: {what}\n{self.logs()}")
            time.sleep(0.01)


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = Yard(tmp_path)
    yield made
    for process in made.processes:
        process.kill()
        process.wait()
    made.app.close()
    made.store.close()
