"""What a worker says of itself, in a file that whoever asks can read without asking the worker."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

FILE = "FW_HEALTH_FILE"

State = Literal["connecting", "consuming", "stopping"]


STUCK_SECONDS = 120.0
"""A collector that dead letters have waited for so long is not helped by being started again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CollectorReport:
    """What a worker knows of the collector beside it.

    Attributes:
        is_alive: Whether its process runs; one that has ended is started again.
        kept: When it last kept a dead letter or an outcome; None: not since the worker started.
        unsettled: How many it holds that could not be kept yet.
        stuck: For how many seconds dead letters have waited while it stood still.
    """

    is_alive: bool
    kept: float | None = None
    unsettled: int = 0
    stuck: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a worker does at a moment; times are seconds since 1970.

    Attributes:
        worker: Its name among other workers.
        pid: Its main process.
        at: When it said so.
        until: When it says so again at the latest; one that does not hangs or is gone.
        state: Whether it takes messages.
        since: Since when it is in this state.
        taken: How many messages came to it.
        redelivered: How many of them had been delivered before.
        last_message: When the last one was seen; None if none came.
        running: Attempts that run.
        prefetched: Messages that wait in it for an attempt.
        queues: The queues that it takes, and how many messages are ready in each; None: not known.
        outcomes: Outcomes that wait for the database; None: not known.
        dead: Dead letters that wait in the broker for a collector; None: not known.
        collector: The collector beside it; None: it is to have none.
    """

    worker: str
    pid: int
    at: float
    until: float
    state: State
    since: float
    taken: int = 0
    redelivered: int = 0
    last_message: float | None = None
    running: int = 0
    prefetched: int = 0
    queues: dict[str, int | None] = field(default_factory=dict)
    outcomes: int | None = None
    dead: int | None = None
    collector: CollectorReport | None = None

    def facts(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


def health_file() -> Path | None:
    """The file of this machine's or container's worker; None where nobody asks for one."""
    path = os.environ.get(FILE)
    return Path(path) if path else None


def write(path: Path, report: Report) -> None:
    """Write the report as a whole: whoever reads sees this one or the one before."""
    half = path.with_name(f"{path.name}.{os.getpid()}")
    half.write_text(json.dumps(report.facts()))
    half.replace(path)


def remove(path: Path) -> None:
    """Say no more: the worker has ended as it should."""
    with suppress(OSError):
        path.unlink()


def read(path: Path) -> Report:
    """Read what a worker wrote last.

    Raises:
        OSError: there is nothing to read.
        ValueError: it is no report of this version.
    """
    try:
        facts = json.loads(path.read_text())
        collector = facts.pop("collector", None)
        return Report(**facts, collector=CollectorReport(**collector) if collector else None)
    except (TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error


def trouble(report: Report, *, now: float) -> str:
    """What is wrong with a worker, in one line; empty if nothing is."""
    if now > report.until:
        return (
            f"The worker (process {report.pid}) has not looked for messages for "
            f"{now - report.at:.0f} s: it hangs, or it is gone."
        )
    if report.state == "connecting":
        return (
            f"The worker takes no messages: it has been connecting to the broker for "
            f"{now - report.since:.0f} s."
        )
    collector = report.collector if report.state == "consuming" else None
    if collector is not None and collector.stuck >= STUCK_SECONDS:
        return (
            f"Nobody has collected dead letters for {collector.stuck:.0f} s: the collector "
            f"beside the worker stands still, and fw dead list lacks {report.dead or 0} of them. "
            f"Fix: fw dead collect, which collects them or says why it cannot."
        )
    return ""


def look(path: Path | None, *, now: float) -> tuple[Report | None, str]:
    """Read the report at ``path``; returns it, if there is one, and what is wrong."""
    if path is None:
        return None, (
            f"{FILE} is not set: nobody knows whether this worker takes messages. "
            f"Set it to the same path for the worker and for whoever asks."
        )
    try:
        report = read(path)
    except FileNotFoundError:
        return None, f"{path} is not there: no worker takes messages yet, or it has been stopped."
    except (OSError, ValueError) as error:
        return None, f"{path} cannot be read: {error}."
    return report, trouble(report, now=now)
