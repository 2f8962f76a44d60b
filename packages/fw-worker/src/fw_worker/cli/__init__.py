"""The ``fw`` command: one file a command, which prints and decides nothing.

A command's module is imported when it is needed, and imports Celery or SQLAlchemy only when it
runs, so that ``fw --help`` answers at once.
"""

from __future__ import annotations

import click

from fw_worker.cli.commands import Commands, version_option

__all__ = ["main"]


@click.group(
    "fw",
    cls=Commands,
    modules=(
        "demo",
        "dev",
        "worker",
        "tasks",
        "send",
        "result",
        "workflow",
        "queues",
        "health",
        "dead",
        "db",
        "bench",
    ),
)
@version_option
def main() -> None:
    """Declare tasks in Python, run them with a worker, look at what became of them.

    Settings come from FW_* variables and [tool.fw] in pyproject.toml. Without FW_BROKER_URL and
    FW_DATABASE_URL everything happens on this machine, in files under .fw/.

    Exit codes: 0 done; 1 the world is at fault (the broker is down, a task failed); 2 the call is
    (an unknown task, a wrong argument, a setting that cannot work).
    """
