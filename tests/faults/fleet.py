"""The processes of one fault: workers and a producer, with their logs, gone after the test."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from fw_core.settings import Settings
from fw_testing.live_worker import LiveWorker, start_worker

from .servers import wait_until

CONCURRENCY = 2
PREFETCHED = 4 * CONCURRENCY
"""Messages that one worker holds at most: `MOST_PREFETCHED` for each attempt at a time."""


class Fleet:
    """Workers on one set of settings.

    Args:
        settings: The servers of those that are started next.
        directory: Where they run and keep their logs.
        env: Further environment variables.
        chance: Decides which one is killed.
    """

    def __init__(
        self, settings: Settings, directory: Path, env: dict[str, str], chance: random.Random
    ) -> None:
        self.settings = settings
        self._directory = directory
        self._env = env
        self._chance = chance
        self._all: list[LiveWorker] = []
        self.workers: list[LiveWorker] = []

    def start(self, count: int = 1, *, wait: bool = True) -> list[LiveWorker]:
        """Start workers and return when they take messages."""
        started = []
        for _ in range(count):
            worker = start_worker(
                self.settings,
                modules=["fault_tasks"],
                queues=(),
                concurrency=CONCURRENCY,
                pool="prefork",
                env=self._env,
                directory=self._directory,
                log_path=self._directory / f"worker{len(self._all) + len(started) + 1}.log",
            )
            started.append(worker)
        self._all += started
        self.workers += started
        for worker in started if wait else ():
            worker.wait_until_ready()
        return started

    def restart_ended(self) -> int:
        """Start a worker for each that has ended by itself, as a supervisor does; how many."""
        ended = [worker for worker in self.workers if worker.process.poll() is not None]
        for worker in ended:
            self.workers.remove(worker)
        self.start(len(ended), wait=False)
        return len(ended)

    def kill_child(self) -> None:
        """Kill one child of a worker: a process of its pool, or its collector."""
        wait_until(lambda: any(children(worker) for worker in self.workers), "a child runs")
        [pid] = self._chance.sample(
            sorted(pid for worker in self.workers for pid in children(worker)), 1
        )
        os.kill(pid, 9)

    def kill(self, worker: LiveWorker) -> None:
        """Kill a worker with its children."""
        self.workers.remove(worker)
        worker.kill()

    def pick(self) -> LiveWorker:
        """One of the workers."""
        return self._chance.choice(self.workers)

    def replace(self, worker: LiveWorker) -> int:
        """Ask a worker to stop while another one starts; returns its exit code."""
        self.workers.remove(worker)
        worker.process.send_signal(signal.SIGTERM)
        [new] = self.start(wait=False)
        code = worker.process.wait(60)
        new.wait_until_ready()
        return code

    def close(self) -> None:
        """Kill what is left."""
        for worker in self._all:
            worker.kill()

    def logs(self, lines: int = 60) -> str:
        """The end of each log, and every line in it that is no success."""
        parts = []
        for number, worker in enumerate(self._all, start=1):
            odd = [line for line in worker.log.splitlines() if "succeeded" not in line]
            parts.append(f"--- log of worker {number} ---")
            parts += odd if len(odd) <= 2 * lines else [*odd[:lines], "…", *odd[-lines:]]
        return "\n".join(parts)


def children(worker: LiveWorker) -> list[int]:
    """The processes that a worker has started."""
    try:
        text = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


class Producer:
    """The program that sends, and the calls that it has recorded as confirmed."""

    def __init__(
        self,
        mode: str,
        *,
        seed: int,
        first: int,
        count: int,
        settings: Settings,
        directory: Path,
        env: dict[str, str],
    ) -> None:
        self.record = directory / "confirmed"
        self.log_path = directory / "producer.log"
        self._gate = directory / "gate"
        modules = Path(__file__).parent / "modules"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, str(modules / "fault_producer.py"), mode),
                    *(str(seed), str(first), str(count), str(self.record), str(self._gate)),
                ],
                cwd=directory,
                env={
                    **os.environ,
                    "FW_BROKER_URL": settings.broker_url,
                    "FW_DATABASE_URL": settings.database_url,
                    "FW_TASK_MODULES": "",
                    **env,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def confirmed(self) -> dict[int, tuple[int, str]]:
        """Each confirmed number with how often it may have been queued, and its id."""
        if not self.record.exists():
            return {}
        # A line that a kill cut in two was not confirmed to anybody.
        whole, _, _ = self.record.read_text().rpartition("\n")
        found = (line.split() for line in whole.splitlines())
        return {int(number): (int(times), id_) for number, times, id_ in found}

    def send_the_rest(self) -> None:
        """Let it send the second half."""
        self._gate.touch()

    def wait_until_confirmed(self, count: int) -> None:
        """Wait until so many calls are confirmed."""

        def enough() -> bool:
            return len(self.confirmed()) >= count or self.has_ended

        wait_until(enough, f"{count} calls are confirmed")
        assert len(self.confirmed()) >= count, f"the producer ended:\n{self.log}"

    @property
    def has_ended(self) -> bool:
        """Whether it has sent all; fails if it could not."""
        code = self.process.poll()
        assert code in (None, 0), f"the producer failed:\n{self.log}"
        return code is not None

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    @property
    def log(self) -> str:
        """What it wrote."""
        return self.log_path.read_text(errors="replace")
