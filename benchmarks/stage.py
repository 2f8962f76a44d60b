"""Where a benchmark plays: fresh servers' places, a directory, and a worker that is watched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

FW = (sys.executable, "-m", "fw_worker.cli", "worker", "--concurrency", "2")
"""A worker of fw with two processes and its defaults."""


def celery(module: str) -> tuple[str, ...]:
    """A worker of plain Celery with two processes, as its documentation tunes it.

    Args:
        module: Where the app is, below ``contenders``.
    """
    tuned = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING")
    return (sys.executable, "-m", "celery", "-A", f"contenders.{module}", "worker", "-c2", *tuned)


@contextmanager
def place(servers: Any) -> Iterator[dict[str, str]]:
    """A vhost and a database of its own, as each process is told."""
    from fw_testing.fresh import fresh_database, fresh_name, fresh_vhost, template_database
    from fw_testing.management import Management

    with ExitStack() as stack:
        management = Management(servers.management_url, fresh_name())
        broker = stack.enter_context(fresh_vhost(servers.broker_url, management))
        template = stack.enter_context(template_database(servers.database_url))
        database = stack.enter_context(fresh_database(servers.database_url, template))
        yield {
            "BENCHMARK_BROKER": broker,
            "BENCHMARK_DATABASE": database,
            "FW_BROKER_URL": broker,
            "FW_DATABASE_URL": database,
            "FW_MANAGEMENT_URL": servers.management_url or "",
            "FW_TASK_MODULES": "contenders.fw_tasks",
            "PYTHONPATH": str(HERE),
        }


@contextmanager
def stage(
    servers: Any, more: Iterable[tuple[str, str]] = ()
) -> Iterator[tuple[Path, Path, dict[str, str]]]:
    """A directory, an empty journal in it, and what the processes of one measurement are told."""
    with place(servers) as told, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        journal = directory / "journal"
        journal.touch()
        own = {"FW_BENCHMARK_JOURNAL": str(journal), **dict(more)}
        yield directory, journal, {**os.environ, **told, **own}


@dataclass(frozen=True, slots=True)
class Worker:
    """A running worker and its processes."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait; a worker that ends or takes too long ends the benchmark with its log."""
        end = time.monotonic() + 180
        while not condition():
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{self.process.args!r} did not run all:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.02)

    def cpu(self) -> float:
        """Seconds of CPU that its processes have used."""
        ticks = sum(int(fields[11]) + int(fields[12]) for _, fields in self._processes())
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self, field: str) -> tuple[float, list[float]]:
        """Memory of the first process, and of each of its children, in MB.

        Args:
            field: What of ``/proc/…/status``: VmRSS is what it has now, VmHWM the most so far.
        """
        found = {}
        for pid, _ in self._processes():
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            found[pid] = next(
                int(line.split()[1]) / 1024 for line in lines if line.startswith(field)
            )
        return found.pop(self.process.pid), list(found.values())

    def forget_most(self) -> None:
        """Let VmHWM begin anew at what each process has now."""
        for pid, _ in self._processes():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def _processes(self) -> Iterator[tuple[int, list[str]]]:
        """Each, with the fields of its ``/proc/…/stat`` from the third on."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.process.pid:
                    yield int(stat.parent.name), fields


@contextmanager
def working(command: Sequence[str], env: dict[str, str], directory: Path) -> Iterator[Worker]:
    """Start a worker; it is gone afterwards."""
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Worker(process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
