r"""How long workflows take beside Celery's canvas: sequences, and a fan-out with its join.

    FW_TEST_BROKER_URL=… FW_TEST_MANAGEMENT_URL=… FW_TEST_DATABASE_URL=… \
        BENCHMARK_REDIS=redis://localhost/0 python benchmarks/workflows.py
    python benchmarks/workflows.py                      # with Docker, and without Redis
    python benchmarks/workflows.py --write              # also the section of the docs
    python benchmarks/workflows.py --join-memory        # what a join needs of a worker's memory

Each contender gets a worker with two processes, which has done a few workflows before. Then one
process starts sequences of 10 steps one by one, 50 of them at once, and members that are joined.
The time ends when the result is stored, which is looked up in the same way for all; each result
must be the right one. Celery's members are sent by who starts them, fw's by a worker, for the plan
says that a step before them tells how many there are: that step is in fw's time. The contenders
take turns, and a ratio is that of one round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from page import HEAD, PAGE, Goal, machine, write
from stage import FW, celery, stage, working

from fw_testing.management import Management
from fw_testing.servers import find_servers

POSTGRES, REDIS = "Celery, PostgreSQL", "Celery, Redis"


@dataclass(frozen=True, slots=True)
class Contender:
    """Who takes part.

    Attributes:
        module: Its tasks, below ``contenders``.
        worker: Starts a worker with two processes.
        env: What its processes are told besides the servers.
    """

    module: str
    worker: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()


CONTENDERS = {
    "fw": Contender("fw_workflows", FW, (("FW_TASK_MODULES", "contenders.fw_workflows"),)),
    POSTGRES: Contender(
        "celery_workflows", celery("celery_workflows"), (("BENCHMARK_RESULTS", "1"),)
    ),
    REDIS: Contender("celery_workflows", celery("celery_workflows")),
}

ALONE, AT_ONCE = 10, 50

WARMING = ("--at-once=20", "--members=100")
"""What a worker does before what counts: one that has just started prepares itself."""

Measured = dict[str, float]
"""Seconds of one sequence ``alone``, of all that were started ``at_once``, and of the ``join``;
and the seconds of CPU that the worker used for the join, ``cpu``."""


def main() -> None:
    """Measure, print the tables, and write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("contenders", nargs="*", default=ready(), help=", ".join(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--members", type=int, default=1_000)
    parser.add_argument("--json", type=Path, help="where to write every number")
    parser.add_argument("--write", action="store_true", help=f"write the section in {PAGE.name}")
    parser.add_argument("--join-memory", action="store_true", help="measure only that")
    given = parser.parse_args()
    if REDIS not in given.contenders:
        print(f"LEFT OUT: {REDIS}. To run it: set BENCHMARK_REDIS", file=sys.stderr)
    with ExitStack() as stack:
        servers = find_servers(stack)
        if given.join_memory:
            print(table_of_memory(join_memory(servers)))
            return
        found = measure(servers, given.contenders, rounds=given.rounds, members=given.members)
        version = Management(servers.management_url).version() if servers.management_url else ""
        tables = f"{table_of_goals(found, given.members)}\n\n{table_of_times(found, given.members)}"
        print(tables)
        if given.json:
            given.json.write_text(json.dumps(found, indent=1))
        if given.write:
            told = f"{machine(version)}; {given.rounds} rounds, {datetime.now(UTC):%d %B %Y}."
            memory = table_of_memory(join_memory(servers))
            write("workflows", f"{told}\n\n{tables}\n\n{memory}")


def ready() -> list[str]:
    """All that can take part here: with results in Redis, if BENCHMARK_REDIS names it."""
    return [name for name in CONTENDERS if name != REDIS or "BENCHMARK_REDIS" in os.environ]


def measure(
    servers: Any, contenders: list[str], *, rounds: int, members: int
) -> dict[str, list[Measured]]:
    """Let the contenders take turns."""
    found: dict[str, list[Measured]] = {name: [] for name in contenders}
    for number in range(rounds):
        shift = number % len(contenders)
        for name in contenders[shift:] + contenders[:shift]:
            last = run(CONTENDERS[name], servers, members)
            found[name].append(last)
            print(
                f"  {name}: {AT_ONCE / last['at_once']:.1f}/s, {last['alone'] * 1e3:.0f} ms, "
                f"join {last['join']:.2f} s, {last['cpu']:.2f} s of CPU",
                flush=True,
            )
    return found


def run(contender: Contender, servers: Any, members: int) -> Measured:
    """One contender in one round."""
    with (
        stage(servers, contender.env) as (directory, _, env),
        working(contender.worker, env, directory) as worker,
    ):
        drive(contender, env, worker.log, *WARMING)
        found = drive(contender, env, worker.log, f"--alone={ALONE}", f"--at-once={AT_ONCE}")
        cpu = worker.cpu()
        found |= drive(contender, env, worker.log, f"--members={members}")
        return {**found, "cpu": worker.cpu() - cpu}


def drive(contender: Contender, env: dict[str, str], log: Path, *options: str) -> Measured:
    """What the process that starts the workflows says; if it fails, the benchmark ends."""
    command = [sys.executable, "-m", "contenders.drive", contender.module, *options]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{contender.module}: {done.stderr[-3000:]}\n{log.read_text()[-3000:]}")
    seconds: Measured = json.loads(done.stdout.splitlines()[-1])
    return seconds


def table_of_goals(found: dict[str, list[Measured]], members: int) -> str:
    """How many times as fast fw is, in the form of the table of goals."""

    def times(other: str, what: str) -> list[float]:
        if "fw" not in found or other not in found:
            return []  # does not take part
        pairs = zip(found["fw"], found[other], strict=True)
        return [theirs[what] / mine[what] for mine, theirs in pairs]

    def goal(number: str, measure: str, other: str, wanted: float | None, what: str) -> Goal:
        return Goal(number, measure, other, wanted, True, times(other, what))

    goals = (
        goal("13", f"speed of a fan-out of {members:,} and its join", POSTGRES, 5, "join"),
        goal("14", "the same", REDIS, 1, "join"),
        goal("15", f"{AT_ONCE} sequences of 10 steps at once", POSTGRES, None, "at_once"),
        goal("15a", "the same", REDIS, None, "at_once"),
        goal("16", "a sequence of 10 steps alone", POSTGRES, None, "alone"),
        goal("16a", "the same", REDIS, None, "alone"),
    )
    return "\n".join((*HEAD, *(each.row() for each in goals)))


def table_of_times(found: dict[str, list[Measured]], members: int) -> str:
    """What each took: the median of the rounds, and their range."""
    heads = (
        f"sequences a second, {AT_ONCE} at once",
        "one alone, ms",
        f"join of {members:,}, s",
        "its CPU in the worker, ms a member",
    )
    lines = [f"| | {' | '.join(heads)} |", "|---|--:|--:|--:|--:|"]
    for name, rounds in found.items():
        cells = (
            _spread([AT_ONCE / each["at_once"] for each in rounds], ".1f"),
            _spread([1e3 * each["alone"] for each in rounds], ".0f"),
            _spread([each["join"] for each in rounds], ".2f"),
            _spread([1e3 * each["cpu"] / members for each in rounds], ".1f"),
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Memory:
    """Of fw's worker around one join, in MB: its first process, and the largest of the others.

    Attributes:
        members: Of the join; 0: before the first, but for small ones.
        first: What the first process has after it.
        first_most: The most that it had during it.
        child: What the largest other process has after it.
        child_most: The most that one of them had during it.
    """

    members: int
    first: float
    first_most: float
    child: float
    child_most: float


def join_memory(servers: Any, sizes: tuple[int, ...] = (1_000, 10_000, 10_000)) -> list[Memory]:
    """Let one worker of fw do a join of each size, one after the other."""
    contender = CONTENDERS["fw"]
    with (
        stage(servers, contender.env) as (directory, _, env),
        working(contender.worker, env, directory) as worker,
    ):
        found: list[Memory] = []
        for size in (0, *sizes):
            worker.forget_most()
            drive(contender, env, worker.log, *([f"--members={size}"] if size else WARMING))
            (first, children), (most, most_each) = worker.memory("VmRSS"), worker.memory("VmHWM")
            found.append(Memory(size, first, most, max(children), max(most_each)))
    return found


def table_of_memory(found: list[Memory]) -> str:
    """The memory, in the order of the joins."""
    lines = [
        "| join of | first process, MB | at most | largest other process, MB | at most |",
        "|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {each.members:,} | {each.first:.0f} | {each.first_most:.0f} | {each.child:.0f} "
        f"| {each.child_most:.0f} |"
        for each in found
    ]
    return "\n".join(lines)


def _spread(values: list[float], form: str) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


if __name__ == "__main__":
    main()
