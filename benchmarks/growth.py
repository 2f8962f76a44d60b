r"""What a task costs as the work grows: messages, tasks, arguments, processes, delays.

    FW_TEST_BROKER_URL=… FW_TEST_MANAGEMENT_URL=… FW_TEST_DATABASE_URL=… python benchmarks/growth.py
    python benchmarks/growth.py --write     # also the table and the plots of the docs

One thing grows at a time, and what should stay flat is shown beside it. Each figure is the median
of several rounds; the rounds take turns through all sizes.
"""

from __future__ import annotations

import argparse
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from page import PAGE, write
from stage import stage, working

from fw_testing.servers import find_servers

_WORKER = (sys.executable, "-m", "fw_worker.cli", "worker", "--concurrency")

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Growth:
    """One thing that grows.

    Attributes:
        title: What grows.
        unit: What is measured.
        sizes: How large it gets.
        measure: Measures one size.
    """

    title: str
    unit: str
    sizes: tuple[float, ...]
    measure: Callable[[Any, float], float]


def drained(
    servers: Any,
    call: str,
    count: int,
    *,
    processes: int = 2,
    module: str = "contenders.fw_tasks",
    before: str = "",
    **env: str,
) -> float:
    """Tasks a second of a worker that finds ``count`` calls waiting."""
    more = {"FW_TASK_MODULES": module, **env}.items()
    with stage(servers, more) as (directory, journal, told), ExitStack() as stack:
        send = f"from {module} import *\n{before}\n{call}.delay_many([ARGS] * {count})"
        subprocess.run(
            [sys.executable, "-c", send.replace("ARGS", told.pop("ARGS", "('a text',)"))],
            env=told,
            check=True,
        )
        worker = stack.enter_context(working((*_WORKER, str(processes)), told, directory))
        worker.wait_until(lambda: journal.stat().st_size >= 8 * count)
        moments = sorted(moment for (moment,) in struct.iter_unpack("d", journal.read_bytes()))
        return (count - 1) / (moments[-1] - moments[0])


def waiting(servers: Any, size: float) -> float:
    """Tasks a second, with so many messages waiting at first."""
    return drained(servers, "ignored", int(size))


def registered(servers: Any, size: float) -> float:
    """Tasks a second, with so many tasks declared."""
    module = "contenders.many_tasks"
    return drained(servers, "ignored", 10_000, module=module, GROWTH_TASKS=str(int(size)))


def argument(servers: Any, size: float) -> float:
    """Tasks a second, with arguments of so many KiB."""
    count = 10_000 if size < 10 else 3_000
    return drained(servers, "ignored", count, ARGS=f"('x' * {int(size * 1000)},)")


def processes(servers: Any, size: float) -> float:
    """Tasks of 10 ms a second, of so many processes, as a share of what these could sleep."""
    rate = drained(servers, "naps", int(100 * size), processes=int(size), ARGS="(0.01,)")
    return 100 * rate * 0.01 / size


def duration(servers: Any, size: float) -> float:
    """What comes on top of a task of so many milliseconds, in microseconds of two processes."""
    count = 10_000 if size < 1 else int(4_000 / size)
    rate = drained(servers, "naps", count, ARGS=f"({size / 1000},)")
    rate *= (count - 2) / (count - 1)  # the first two begin together
    return 2e6 / rate - 1000 * size


def delayed(servers: Any, size: float) -> float:
    """Tasks a second, while so many delayed messages wait in the broker."""
    before = f"ignored.options(delay=3600).delay_many([('later',)] * {int(size)})" if size else ""
    return drained(servers, "ignored", 10_000, before=before)


ALL = (
    Growth("messages waiting", "tasks a second", (1_000, 10_000, 100_000), waiting),
    Growth("tasks declared", "tasks a second", (1, 100, 10_000), registered),
    Growth("KiB of arguments", "tasks a second", (1, 10, 100), argument),
    Growth("processes", "% of what they could do, tasks of 10 ms", (1, 2, 8, 32), processes),
    Growth("milliseconds a task takes", "µs on top of it", (0, 1, 10, 100), duration),
    Growth("delayed messages waiting", "tasks a second", (0, 10_000, 100_000), delayed),
)


def main() -> None:
    """Measure all sizes in turns, print a table, and write it and its plots."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="a part of the title of what grows")
    parser.add_argument("--write", action="store_true", help=f"write to {PAGE.name}")
    given = parser.parse_args()
    chosen = [growth for growth in ALL if not given.only or given.only in growth.title]
    found: dict[str, dict[float, list[float]]] = {}
    with ExitStack() as stack:
        servers = find_servers(stack)
        for _ in range(given.rounds):
            for growth in chosen:
                for size in growth.sizes:
                    value = growth.measure(servers, size)
                    found.setdefault(growth.title, {}).setdefault(size, []).append(value)
                    print(f"  {size:,g} {growth.title}: {value:,.0f} {growth.unit}", flush=True)
    lines = ["| what grows | size | measured | median | range |", "|---|--:|---|--:|--:|"]
    for growth in chosen:
        for size, values in found[growth.title].items():
            low, high = min(values), max(values)
            lines.append(
                f"| {growth.title} | {size:,g} | {growth.unit} | "
                f"{statistics.median(values):,.0f} | {low:,.0f} to {high:,.0f} |"
            )
    table = "\n".join(lines)
    print(table)
    if given.write:
        told = f"{given.rounds} rounds, {time.strftime('%d %B %Y')}."
        write("growth", f"{told}\n\n{table}")
        plot(chosen, found)


def plot(chosen: list[Growth], found: dict[str, dict[float, list[float]]]) -> None:
    """Draw each, with the range of its rounds."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "fw"  # the same figures give the same file
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
    for growth, axis in zip(chosen, axes.flat, strict=False):
        sizes = list(found[growth.title])
        rounds = [found[growth.title][size] for size in sizes]
        places = range(len(sizes))
        axis.plot(places, [statistics.median(values) for values in rounds], marker="o")
        axis.fill_between(
            places,
            [min(values) for values in rounds],
            [max(values) for values in rounds],
            alpha=0.2,
        )
        axis.set_xticks(places, [f"{size:,g}" for size in sizes])
        axis.set_ylim(bottom=0)
        axis.set_xlabel(growth.title)
        axis.set_ylabel(growth.unit)
    figure.savefig(PAGE.with_name("performance-growth.svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
