r"""The goals of fw's speed, and what is reached: written to docs/reference/performance.md.

    nox -s benchmarks                                   # all of it, with Docker: some 20 minutes
    python benchmarks/goals.py --rounds 5 --write       # the same with what is installed
    python benchmarks/goals.py --check                  # the short form: fails where it is far off

Every figure is a ratio of two measurements in one round, or a time above one that nobody can do
without; the table shows the median of the rounds and their range. The short form takes one round
of the most telling ones, and fails where a ratio is less than half of the one in the table: a
machine that is busy halves no ratio, a mistake may.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import call
import execute
from page import HEAD, PAGE, Goal, machine, write

from fw_testing.management import Management
from fw_testing.servers import find_servers

REACHED = Path(__file__).with_name("reached.json")
FAR_OFF = 2.0
SHORT = {"fw": 20_000, "celery": 4_000}
"""Tasks of the short form: as many seconds of each, of which a start beside it is a small part."""


def main() -> None:
    """Measure, print the table, and write or check it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=15_000)
    parser.add_argument("--write", action="store_true", help=f"write the table to {PAGE.name}")
    parser.add_argument("--check", action="store_true", help="the short form")
    given = parser.parse_args()
    with ExitStack() as stack:
        servers = find_servers(stack)
        contenders = list(SHORT) if given.check else execute.ready()
        rounds = 1 if given.check else given.rounds
        tasks = SHORT if given.check else dict.fromkeys(contenders, given.tasks)
        ran = execute.measure(servers, contenders, rounds=rounds, tasks=tasks)
        called = call.measure(servers, rounds=rounds, only_sending=given.check)
        local = [] if given.check else [measure_local() for _ in range(rounds)]
        version = Management(servers.management_url).version() if servers.management_url else ""
    goals = goals_of(ran, called, local)
    table = "\n".join((*HEAD, *(goal.row() for goal in goals)))
    print(table)
    if given.check:
        check(goals)
    if given.write:
        REACHED.write_text(
            json.dumps({g.number: round(g.median, 3) for g in goals if g.values}, indent=1) + "\n"
        )
        told = f"{machine(version)}; {rounds} rounds, {datetime.now(UTC):%d %B %Y}."
        rates = "\n".join((*RATES, *(_rate(name, found) for name, found in ran.items())))
        write("goals", f"{told}\n\n{table}\n\n{rates}")


RATES = ("| worker | tasks a second | µs of CPU a task |", "|---|--:|--:|")


def measure_local() -> dict[str, Any]:
    """What ``fw bench`` says where nothing is configured: the local transport, and SQLite."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("FW_")}
    command = [sys.executable, "-m", "fw_worker.cli", "bench", "--calls", "5000", "--json"]
    with tempfile.TemporaryDirectory() as place:
        ran = subprocess.run(command, cwd=place, env=env, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def goals_of(
    ran: dict[str, list[execute.Measured]],
    called: dict[str, call.Table],
    local: list[dict[str, Any]],
) -> list[Goal]:
    """The goals, with what was measured."""

    def rate(name: str, other: str) -> list[float]:
        if name not in ran or other not in ran:
            return []  # does not take part
        pairs = zip(ran[name], ran[other], strict=True)
        return [mine.per_second / theirs.per_second for mine, theirs in pairs]

    def times(title: str, other: str) -> list[float]:
        table = called.get(title, {"fw": [], other: []})
        return [
            theirs["us"] / mine["us"]
            for mine, theirs in zip(table["fw"], table[other], strict=True)
        ]

    def own(title: str, column: str, scale: float = 1.0) -> list[float]:
        return [each[column] / scale for each in called.get(title, {"fw": []})["fw"]]

    celery, dramatiq = "Celery, tuned", "Dramatiq, prefetch 200"
    loop, asleep = "celery, a loop, unconfirmed", call.ROUND_TRIP.format(50)
    return [
        Goal("1", "tasks a second", celery, 3.5, True, rate("fw", "celery")),
        Goal("2", "the same", dramatiq, 1.2, True, rate("fw", "dramatiq")),
        Goal(
            "2a",
            "the same",
            "with its own classic queue",
            None,
            True,
            rate("fw", "dramatiq, classic"),
        ),
        Goal("3", "with results kept", "the first sketch", 12, True, rate("fw+results", "sketch")),
        Goal(
            "4", "the same", f"{dramatiq}, Redis", 1.8, True, rate("fw+results", "dramatiq+results")
        ),
        Goal("5", "with results kept", "without", 0.75, True, rate("fw+results", "fw")),
        Goal(
            "6",
            "`.delay()`, calls a second",
            "Celery's, confirmed",
            2,
            True,
            times(call.SEND, "celery"),
        ),
        Goal("6a", "`.delay()`, CPU", "", 180, False, own(call.SEND, "cpu"), " µs"),
        Goal(
            "6b",
            "`.delay()`, time",
            "the bare round trip",
            1.3,
            False,
            [1 / one for one in times(call.SEND, "bare")],
        ),
        Goal(
            "7",
            "`.delay_many()` of 10,000",
            "Celery's, a loop, unconfirmed",
            6,
            True,
            times(call.SEND_MANY, loop),
        ),
        Goal(
            "8",
            "`.get()` of a task that does nothing",
            "",
            3,
            False,
            own(call.ROUND_TRIP.format(0), "us", 1e3),
            " ms",
        ),
        Goal("8a", "`.get()` above a task's 50 ms", "", 3, False, own(asleep, "us", 1e3), " ms"),
        Goal("9", "import and first `.delay()`", "", 250, False, own(call.FIRST, "us", 1e3), " ms"),
        Goal("9a", "its memory", "", 45, False, own(call.FIRST, "memory"), " MB"),
        Goal(
            "11",
            "local transport, tasks a second",
            "",
            3000,
            True,
            [found["execute"]["per_second"] for found in local],
            "/s",
        ),
        Goal(
            "11a",
            "local transport, `.delay()`",
            "",
            3000,
            True,
            [found["delay"]["per_second"] for found in local],
            "/s",
        ),
        Goal(
            "12",
            "delayed calls a second, confirmed",
            "(Celery's native delay: 160)",
            1600,
            True,
            [1e6 / each for each in own(call.SEND_LATER, "us")],
            "/s",
        ),
    ]


def check(goals: list[Goal]) -> None:
    """Fail where a ratio is far off what was reached."""
    reached = json.loads(REACHED.read_text())
    far = []
    for goal in goals:
        if goal.unit or not goal.values or goal.number not in reached:
            continue  # a time says more of the machine than of fw
        times = reached[goal.number] / goal.median
        times = times if goal.is_least else 1 / times
        if times > FAR_OFF:
            far.append(
                f"{goal.number} {goal.measure}: {goal.median:.2f}, it was {reached[goal.number]}"
            )
    if far:
        sys.exit("Far off:\n" + "\n".join(far))
    print("No ratio is far off.")


def _rate(name: str, found: list[execute.Measured]) -> str:
    rates = sorted(one.per_second for one in found)
    cpu = statistics.median(one.cpu for one in found)
    spread = f"{rates[0]:,.0f} to {rates[-1]:,.0f}"
    return f"| {name} | {statistics.median(rates):,.0f} ({spread}) | {cpu:.0f} |"


if __name__ == "__main__":
    main()
