"""The page of figures, docs/reference/performance.md: its rows, and its sections."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import statistics
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "performance.md"

HEAD = (
    "| | measure | against | goal | reached | |",
    "|---|---|---|---|---|---|",
)


@dataclass(frozen=True, slots=True)
class Goal:
    """One row of the table.

    Attributes:
        number: Its number.
        measure: What is measured.
        against: What it is compared with.
        goal: What is wanted, as text.
        wanted: The same, as a number; None: shown beside the goal above.
        is_least: Whether it is the least; else it is the most.
        values: One for each round; empty: not measured here.
        unit: Of the values; empty: they are ratios.
    """

    number: str
    measure: str
    against: str
    wanted: float | None
    is_least: bool
    values: list[float]
    unit: str = ""

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.values)

    @property
    def is_reached(self) -> bool:
        """Whether the median is what is wanted."""
        if self.wanted is None:
            return True
        return self.median >= self.wanted if self.is_least else self.median <= self.wanted

    def row(self) -> str:
        """The row, in Markdown."""
        sign = "≥" if self.is_least else "≤"
        goal = "" if self.wanted is None else f"{sign} {self.wanted:g}{self.unit}"
        if not self.values:
            return f"| {self.number} | {self.measure} | {self.against} | {goal} | | not measured |"
        low, high = min(self.values), max(self.values)
        found = f"{short(self.median)}{self.unit} ({short(low)} to {short(high)})"
        word = "" if self.wanted is None else "yes" if self.is_reached else "no"
        return f"| {self.number} | {self.measure} | {self.against} | {goal} | {found} | {word} |"


def write(section: str, block: str) -> None:
    """Put tables into the page, between the marks of a section; a new one goes to the end."""
    begin, end = f"<!-- {section} -->", f"<!-- end: {section} -->"
    before, _, rest = PAGE.read_text().partition(begin)
    after = rest.partition(end)[2] or "\n"
    PAGE.write_text(f"{before.rstrip()}\n\n{begin}\n\n{block}\n\n{end}{after}")


def machine(rabbitmq: str) -> str:
    """Where it was measured."""
    names = ("celery", "kombu", "amqp", "dramatiq")
    versions = []
    for name in names:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    python = platform.python_version()
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    cores = f"{os.cpu_count()} cores of {model[1] if model else platform.machine()}"
    return (
        f"{cores}, all on one machine; Python {python}, RabbitMQ {rabbitmq}, {', '.join(versions)}"
    )


def short(value: float) -> str:
    """A figure as far as it says something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}" if value < 1 else f"{value:.1f}"
