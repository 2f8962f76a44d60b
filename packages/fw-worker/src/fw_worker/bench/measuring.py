"""Measures: a backlog, a worker of our own, and what it did with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Table, delete

from fw_core import TASK_REGISTRY, client
from fw_core.broker.app import App, create_app
from fw_core.database.tables import results, starts
from fw_core.errors import FrameworkError
from fw_core.settings import read_settings
from fw_core.urls import safe_url
from fw_worker.bench import tasks
from fw_worker.bench.ending import signals
from fw_worker.bench.figures import Figures
from fw_worker.demo.place import own_place

MODULE = "fw_worker.bench.tasks"
PATIENCE = 120.0
"""Seconds after which what is waited for does not come."""

_ONE_BY_ONE = 300
_ROUND_TRIPS = 200
_TOGETHER = 10_000
_CHUNK = 500

Say = Callable[[str], None]


class BenchStopped(FrameworkError):  # noqa: N818 - reads as what happened
    """A measurement did not come to its end."""

    def __init__(self, what: str, log: str) -> None:
        self.log = log
        super().__init__(
            f"fw bench waited {PATIENCE:g} s for this: {what}.",
            f"The worker that it started says:\n{log or '(nothing)'}",
            "fw worker, with the same settings, shows what is wrong.",
        )


def measure(say: Say, *, calls: int, processes: int) -> Figures:
    """Measure with the broker and the database of the settings.

    Everything gets names of its own on the broker and is removed at the end.

    Args:
        say: Told what is measured now.
        calls: How many calls each backlog has.
        processes: How many processes run the tasks.

    Raises:
        BenchStopped: something did not come.
        FrameworkError: the broker or the database cannot be reached.
    """
    with ExitStack() as stack:
        stack.enter_context(signals.heard())
        given = read_settings()
        if given.is_local:
            stack.enter_context(own_place())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fw-bench-")))
        stack.enter_context(_environment(directory, given.prefix))
        settings = read_settings()
        app = create_app(
            settings, {name: TASK_REGISTRY[name] for name in (tasks.ignored.name, tasks.kept.name)}
        )
        stack.callback(app.close)
        stack.callback(app.amqp.close_connections)
        stack.enter_context(client.using(app))
        bench = _Bench(say, app, directory, calls=calls, processes=processes)
        if not settings.is_local:  # its place goes as a whole
            stack.callback(_remove, app, bench.ids, say)
        return bench.run()


class _Bench:
    def __init__(self, say: Say, app: App, directory: Path, *, calls: int, processes: int) -> None:
        self._say = say
        self._app = app
        self._calls = calls
        self._processes = processes
        self._journal = Path(os.environ[tasks.JOURNAL])
        self._log = directory / "worker.log"
        self.ids: list[str] = []

    def run(self) -> Figures:
        self._say(f"{_ONE_BY_ONE} calls, one after the other")
        tasks.ignored.delay(0)
        sent = [_seconds(lambda: tasks.ignored.delay(0)) for _ in range(_ONE_BY_ONE)]
        self._say(f"{_TOGETHER:,} calls together")
        took = _seconds(lambda: tasks.ignored.delay_many([(0,)] * _TOGETHER))
        self._purge()
        self._say(f"a worker with {self._processes} processes runs {self._calls:,} tasks")
        executed = self._executed(tasks.ignored)
        self._say("the same, and keeps their results")
        executed_kept = self._executed(tasks.kept)
        with self._working():
            self._round_trip()
            self._say(f"{_ROUND_TRIPS} calls, each waited for")
            trips = [_seconds(self._round_trip) for _ in range(_ROUND_TRIPS)]
        self._say("a worker is killed in the middle of its work")
        lost, repeated, back_after = self._killed()
        return Figures(
            broker=safe_url(self._app.broker_url),
            results=safe_url(self._app.backend.database.url),
            processes=self._processes,
            calls=self._calls,
            sent=sent,
            sent_together=_TOGETHER / took,
            executed=executed,
            executed_kept=executed_kept,
            round_trips=trips,
            lost=lost,
            repeated=repeated,
            back_after=back_after,
        )

    def _executed(self, task: Any) -> float:
        self._backlog(task)
        with self._working():
            self._wait_until("all tasks have run", lambda: len(self._runs()) >= self._calls)
        moments = [moment for moment, _ in self._runs()]
        return (len(moments) - 1) / (max(moments) - min(moments) or 1e-9)

    def _killed(self) -> tuple[int, int, float]:
        self._backlog(tasks.kept)
        with self._working() as worker:
            self._wait_until(
                "a quarter of the tasks have run", lambda: len(self._runs()) >= self._calls // 4
            )
            os.killpg(worker.pid, signal.SIGKILL)
        killed = time.monotonic()
        with self._working():
            self._wait_until("each task has run", lambda: len(self._which_ran()) >= self._calls)
            took = time.monotonic() - killed
        ran = self._runs()
        return self._calls - len(self._which_ran()), len(ran) - self._calls, took

    def _which_ran(self) -> set[int]:
        return {number for _, number in self._runs()}

    def _round_trip(self) -> None:
        result = tasks.kept.delay(0)
        self.ids.append(result.id)
        result.get(timeout=PATIENCE)

    def _backlog(self, task: Any) -> None:
        self._journal.write_bytes(b"")
        sent = task.delay_many([(number,) for number in range(self._calls)])
        self.ids += [result.id for result in sent]  # also of those whose starts alone are noted

    def _runs(self) -> list[tuple[float, int]]:
        return tasks.runs(self._journal.read_bytes())

    def _purge(self) -> None:
        with self._app.connection_for_write() as connection:
            connection.default_channel.queue_purge(self._app.topology.queue_name("default"))

    @contextmanager
    def _working(self) -> Iterator[subprocess.Popen[bytes]]:
        """A worker for the block, in a process of its own."""
        command = (sys.executable, "-m", "fw_worker.cli", "worker")
        process: subprocess.Popen[bytes] | None = None
        try:
            with signals.held(), self._log.open("ab") as log:
                self._process = process = subprocess.Popen(  # noqa: S603 - our own command
                    (*command, "--concurrency", str(self._processes)),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            yield process
        finally:
            if process is not None:
                _stop(process)

    def _wait_until(self, what: str, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end or self._process.poll() is not None:
                raise BenchStopped(what, self._log.read_text(errors="replace")[-3000:])
            time.sleep(0.02)  # another process writes what is looked at


@contextmanager
def _environment(directory: Path, prefix: str) -> Iterator[None]:
    """What this process and its workers are told: names of their own, and these tasks alone."""
    journal = directory / "journal"
    journal.touch()
    told = {
        "FW_PREFIX": f"{prefix}fw-bench-{uuid.uuid4().hex[:8]}.",
        "FW_TASK_MODULES": MODULE,
        "FW_QUEUES": "default",
        "FW_COLLECT_DEAD_LETTERS": "false",
        "FW_WORKFLOW_QUEUE": "",
        tasks.JOURNAL: str(journal),
    }
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _remove(app: App, ids: Sequence[str], say: Say) -> None:
    """Take away what was made: on the broker, and in the database, which may be large."""
    topology = app.topology
    waits = (topology.wait(tasks.WAIT_MS), topology.long_wait(tasks.WAIT_MS))
    queues = (topology.queue_name("default"), topology.dead, topology.outcomes, *waits)
    exchanges = (topology.tasks, topology.due, topology.rest, *queues[1:])

    def from_broker() -> None:
        with app.connection_for_write() as connection:
            for queue in queues:
                connection.default_channel.queue_delete(queue)
            for exchange in exchanges:
                connection.default_channel.exchange_delete(exchange)

    def from_database() -> None:
        for first in range(0, len(ids), _CHUNK):
            chunk = ids[first : first + _CHUNK]
            _delete(app, results, results.c.task_id.in_(chunk))
            # Messages that were delivered again, by the index on their time.
            _delete(app, starts, (starts.c.started_at >= began) & starts.c.task_id.in_(chunk))

    began = app.now() - timedelta(hours=1)
    for what, remove in (("the broker", from_broker), ("the database", from_database)):
        try:
            remove()
        except Exception as error:  # noqa: BLE001 - what was measured is worth more
            say(f"not all could be removed from {what}: {error}")


def _delete(app: App, table: Table, which: Any) -> None:
    app.backend.database.statement(
        lambda connection: connection.execute(delete(table).where(which)), timeout=15
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(30)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
