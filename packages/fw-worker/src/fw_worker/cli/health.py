"""``fw health``: whether the worker on this machine takes messages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fw_worker.cli import options
from fw_worker.cli.printing import print_facts, print_json

if TYPE_CHECKING:
    from fw_worker.health.report import CollectorReport


@click.command("health")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    help="The worker's health file; FW_HEALTH_FILE, if not given.",
)
@options.as_json
def command(path: Path | None, as_json: bool) -> None:
    """Show whether the worker takes messages; exits with 1 if it does not.

    The worker writes what it does to the file that FW_HEALTH_FILE names, every five seconds.
    """
    import sys
    import time

    from fw_worker.health.report import health_file, look

    now = time.time()
    report, trouble = look(path or health_file(), now=now)
    facts = report.facts() if report else {}
    if as_json:
        print_json({"healthy": not trouble, "trouble": trouble, **facts})
    elif report is not None and not trouble:
        ready = {name: "?" if count is None else count for name, count in report.queues.items()}
        print_facts(
            {
                "worker": report.worker,
                "state": report.state,
                "since": f"{now - report.since:.0f} s",
                "running": report.running,
                "prefetched": report.prefetched,
                "taken": report.taken,
                "redelivered": report.redelivered,
                "ready": ", ".join(f"{name} {count}" for name, count in ready.items()),
                "outcomes": report.outcomes,
                "dead": report.dead,
                "collector": _collector(report.collector, now),
            }
        )
    if trouble:
        click.echo(trouble, err=True)
        sys.exit(1)


def _collector(found: CollectorReport | None, now: float) -> str:
    if found is None:
        return "none (FW_COLLECT_DEAD_LETTERS=false)"
    kept = "nothing kept yet" if found.kept is None else f"kept one {now - found.kept:.0f} s ago"
    runs = "runs" if found.is_alive else "has ended, and is started again"
    return f"{runs}, {kept}, {found.unsettled} not settled yet"
