"""How fast the local transport is on this machine, with plain Celery on top of it.

    python benchmarks/local_transport.py                  # every pool, about a minute
    python benchmarks/local_transport.py --pools threads --messages 5000

It prints: enqueue/s by one producer, execute/s of a backlog of tasks that do nothing (late
acknowledgement), the time from publishing to the start of the task on an idle worker, and the CPU
that an idle worker uses. One run is an order of magnitude, not a result.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import Celery, signals

from fw_core.broker import local

BROKER = "LOCAL_BENCHMARK_BROKER"
JOURNAL = "LOCAL_BENCHMARK_JOURNAL"

local.register()
app = Celery("local-benchmark", broker=os.environ.get(BROKER, local.memory_url("benchmark")))
app.conf.update(
    task_acks_late=True,
    task_default_queue="work",
    task_ignore_result=True,
    worker_prefetch_multiplier=16,
)


def note(*facts: object) -> None:
    journal = os.open(os.environ[JOURNAL], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(journal, (" ".join(map(str, facts)) + "\n").encode())
    os.close(journal)


@signals.worker_ready.connect
def say_ready(**_: Any) -> None:
    if JOURNAL in os.environ:
        note("ready", time.time())


@app.task(name="nothing")
def nothing() -> None:
    pass


@app.task(name="stamp")
def stamp(sent: float) -> None:
    note("stamp", sent, time.time())


class Site:
    """One broker file, its journal and at most one worker at a time."""

    def __init__(self, directory: Path) -> None:
        self.journal = directory / "journal"
        self.journal.touch()
        self.log = (directory / "worker.log").open("wb")
        url = local.file_url(directory / ".fw" / "broker.db")
        os.environ.update({BROKER: url, JOURNAL: str(self.journal)})
        app.conf.broker_url = url
        self.store = local.store_at(url)

    def lines(self, word: str) -> list[list[float]]:
        rows = (line.split() for line in self.journal.read_text().splitlines())
        return [[float(fact) for fact in row[1:]] for row in rows if row[0] == word]

    def left(self) -> int:
        return sum(q.ready + q.owned for q in self.store.queues() if q.name == "work")

    @contextmanager
    def worker(self, pool: str) -> Iterator[subprocess.Popen[bytes]]:
        before = len(self.lines("ready"))
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "local_transport", "worker"),
                *("-P", pool, "-c", "2", "-l", "WARNING", "--without-mingle", "--without-gossip"),
            ],
            cwd=Path(__file__).parent,
            stdout=self.log,
            stderr=self.log,
        )
        try:
            wait_until(lambda: len(self.lines("ready")) > before)
            yield process
        finally:
            process.terminate()
            process.wait(30)


def wait_until(condition: Any, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"gave up after {seconds:g} s; a worker may have failed to start")
        time.sleep(0.005)


def cpu_seconds(process: int) -> float:
    """CPU time of a process and all below it, from /proc."""
    ticks = 0
    pending = [process]
    while pending:
        pid = pending.pop()
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        pending += [int(child) for child in children]
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(site: Site, pool: str, *, messages: int, idle_seconds: float) -> None:
    nothing.delay()
    site.store.purge("work")
    started = time.perf_counter()
    for _ in range(messages):
        nothing.delay()
    enqueue = messages / (time.perf_counter() - started)

    with site.worker(pool) as process:
        wait_until(lambda: site.left() == 0)
        [ready] = site.lines("ready")[-1]
        execute = messages / (time.time() - ready)

        for number in range(100):
            stamp.delay(time.time())
            wait_until(lambda expected=number + 1: len(site.lines("stamp")) >= expected)
            time.sleep(0.02)
        waits = sorted((start - sent) * 1000 for sent, start in site.lines("stamp"))

        time.sleep(2)
        before, began = cpu_seconds(process.pid), time.monotonic()
        time.sleep(idle_seconds)
        idle = (cpu_seconds(process.pid) - before) / (time.monotonic() - began) * 100
    site.journal.write_text("")

    print(
        f"{pool:8} enqueue {enqueue:6.0f}/s   execute {execute:6.0f}/s   publish to start "
        f"p50 {statistics.median(waits):5.1f} ms  p95 {waits[94]:5.1f} ms   idle CPU {idle:.2f} %",
        flush=True,
    )


def raw(site: Site, messages: int) -> None:
    """The store alone, without Celery and kombu: the ceiling."""
    store = site.store
    store.declare_queue("raw")
    letters = [local.Letter(local.Draft(b"x" * 200), "", "raw")] * messages
    clock = time.perf_counter
    t0 = clock()
    for letter in letters:
        store.publish(letter.draft, key=letter.key)
    t1 = clock()
    for start in range(0, messages, 100):
        store.publish_all(letters[start : start + 100])
    t2 = clock()
    owner = store.register_owner()
    done = 0
    while claimed := store.claim(owner, "raw", limit=32):
        for delivery in claimed:
            store.ack(owner, [delivery.id])
        done += len(claimed)
    t3 = clock()
    store.remove_owner(owner)
    print(
        f"store    publish {messages / (t1 - t0):6.0f}/s   in hundreds "
        f"{messages / (t2 - t1):6.0f}/s   claim by 32 and ack one by one {done / (t3 - t2):6.0f}/s",
        flush=True,
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--pools", nargs="+", default=["prefork", "threads", "solo"])
    arguments.add_argument("--messages", type=int, default=3000)
    arguments.add_argument("--idle-seconds", type=float, default=10.0)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        site = Site(Path(directory))
        raw(site, chosen.messages)
        for pool in chosen.pools:
            measure(site, pool, messages=chosen.messages, idle_seconds=chosen.idle_seconds)


if __name__ == "__main__":
    main()
