r"""How many tasks a second a worker with two processes executes, beside other frameworks.

    FW_TEST_BROKER_URL=… FW_TEST_MANAGEMENT_URL=… FW_TEST_DATABASE_URL=… \
        python benchmarks/execute.py
    python benchmarks/execute.py                        # with Docker: starts its own servers
    python benchmarks/execute.py fw celery --rounds 5 --tasks 5000

Each contender gets a backlog of calls and then a worker; what counts are the last three quarters
of the executions, so that neither sending nor starting is in it, for anybody: a worker of fw starts
its collector of dead letters then, and sees only then that tasks are short, and one that runs for
days does so once. The contenders take turns, round
by round, and a ratio is that of one round: the table shows the median of the ratios and their
range. The task does nothing but note when it ran. Where results are kept, it is checked that all
are there, and the time ends when the last one is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from psycopg2 import connect
from psycopg2.errors import UndefinedTable
from stage import FW, celery, stage, working

from fw_testing.servers import find_servers


@dataclass(frozen=True, slots=True)
class Contender:
    """Who takes part.

    Attributes:
        module: Its tasks, below ``contenders``.
        worker: Starts a worker with two processes.
        table: Where results are kept, if anywhere: a table, or "redis".
        env: What its processes are told besides the servers.
        most: How many tasks it gets at most, because it takes minutes for more.
    """

    module: str
    worker: tuple[str, ...]
    table: str = ""
    env: tuple[tuple[str, str], ...] = ()
    most: int = 1_000_000


_SKETCH = (sys.executable, "-m", "celery", "-A", "contenders.sketch_tasks")
_DRAMATIQ = (
    *(sys.executable, "-m", "dramatiq", "contenders.dramatiq_tasks"),
    *("--processes", "2", "--threads", "1"),
)
_KEPT = ("BENCHMARK_RESULTS", "1")
CONTENDERS = {
    "fw": Contender("fw_tasks", FW),
    "fw+results": Contender("fw_tasks", FW, "fw_results"),
    "celery": Contender("celery_tasks", celery("celery_tasks")),
    "celery+results": Contender(
        "celery_tasks",
        celery("celery_tasks"),
        "celery_taskmeta",
        (_KEPT,),
        most=3_000,
    ),
    "sketch": Contender(
        "sketch_tasks",
        (*_SKETCH, "worker", "-c2", "--loglevel=INFO"),
        "celery_taskmeta",
        most=3_000,
    ),
    "dramatiq": Contender("dramatiq_tasks", _DRAMATIQ, env=(("dramatiq_queue_prefetch", "200"),)),
    "dramatiq, classic": Contender(
        "dramatiq_tasks",
        _DRAMATIQ,
        env=(("dramatiq_queue_prefetch", "200"), ("BENCHMARK_CLASSIC", "1")),
    ),
    "dramatiq+results": Contender(
        "dramatiq_tasks", _DRAMATIQ, "redis", (("dramatiq_queue_prefetch", "200"), _KEPT)
    ),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One contender in one round: tasks a second, and CPU microseconds of its worker a task."""

    per_second: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("contenders", nargs="*", default=ready(), help=", ".join(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=15_000)
    parser.add_argument("--json", type=Path, help="where to write every number")
    given = parser.parse_args()
    with ExitStack() as stack:
        servers = find_servers(stack)
        tasks = dict.fromkeys(given.contenders, given.tasks)
        measured = measure(servers, given.contenders, rounds=given.rounds, tasks=tasks)
    show(measured)
    if given.json:
        plain = {
            name: [[one.per_second, one.cpu] for one in found] for name, found in measured.items()
        }
        given.json.write_text(json.dumps(plain, indent=1))


def measure(
    servers: Any, contenders: list[str], *, rounds: int, tasks: Mapping[str, int]
) -> dict[str, list[Measured]]:
    """Let the contenders take turns, each with so many tasks."""
    measured: dict[str, list[Measured]] = {name: [] for name in contenders}
    for number in range(rounds):
        shift = number % len(contenders)
        for name in contenders[shift:] + contenders[:shift]:
            contender = CONTENDERS[name]
            measured[name].append(run(contender, servers, min(tasks[name], contender.most)))
            last = measured[name][-1]
            print(f"  {name}: {last.per_second:,.0f}/s, {last.cpu:.0f} µs", flush=True)
    return measured


def ready() -> list[str]:
    """All that can take part here: Dramatiq, if it is installed, and with results in Redis, if
    BENCHMARK_REDIS names it."""
    return [
        name
        for name, contender in CONTENDERS.items()
        if (contender.table != "redis" or "BENCHMARK_REDIS" in os.environ)
        and (contender.module != "dramatiq_tasks" or find_spec("dramatiq") is not None)
    ]


def show(measured: dict[str, list[Measured]]) -> None:
    """A table: each against the first one, paired by round."""
    first, *_ = measured
    print(f"\n{'':18} {'tasks/s':>9} {'µs CPU':>7}   x {first}")
    for name, found in measured.items():
        ratios = [
            mine.per_second / other.per_second
            for mine, other in zip(found, measured[first], strict=True)
        ]
        print(
            f"{name:18} {statistics.median(one.per_second for one in found):9,.0f} "
            f"{statistics.median(one.cpu for one in found):7.0f}   "
            f"{statistics.median(ratios):.2f} [{min(ratios):.2f} to {max(ratios):.2f}]"
        )


def run(contender: Contender, servers: Any, tasks: int) -> Measured:
    """Give it a backlog, start its worker, wait for the last task and stop it."""
    with stage(servers, contender.env) as (directory, journal, env), ExitStack() as stack:
        send = f"send({tasks}, {bool(contender.table)})"
        code = f"from contenders.{contender.module} import send; {send}"
        subprocess.run([sys.executable, "-c", code], env=env, check=True)
        worker = stack.enter_context(working(contender.worker, env, directory))
        worker.wait_until(lambda: journal.stat().st_size >= 8 * (tasks // 4))
        cpu, left = worker.cpu(), tasks - journal.stat().st_size // 8
        worker.wait_until(lambda: journal.stat().st_size >= 8 * tasks)
        moments = sorted(at for (at,) in struct.iter_unpack("d", journal.read_bytes()))
        last = moments[-1]
        if contender.table:
            worker.wait_until(lambda: stored(contender.table, env) >= tasks)
            last = time.time()
        counted = moments[tasks // 4 :]
        return Measured(
            per_second=(len(counted) - 1) / (last - counted[0]),
            cpu=(worker.cpu() - cpu) / left * 1e6,
        )


def stored(table: str, env: dict[str, str]) -> int:
    """How many results there are."""
    if table == "redis":
        import redis

        return int(redis.Redis.from_url(env["BENCHMARK_REDIS"]).dbsize())
    with closing(connect(env["BENCHMARK_DATABASE"])) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(f"SELECT count(*) FROM {table}")
        except UndefinedTable:
            return 0
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    main()
