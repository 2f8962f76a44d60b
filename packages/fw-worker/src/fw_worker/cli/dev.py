"""``fw dev``: a worker that starts again when the code changes."""

from __future__ import annotations

import sys

import click

from fw_worker.cli import options
from fw_worker.cli.printing import print_json


@click.command("dev")
@options.modules
@options.queues
@options.concurrency
@options.pool(default="solo")
@options.as_json
def command(
    modules: tuple[str, ...], queues: str, concurrency: int | None, pool: str, as_json: bool
) -> None:
    """Run a worker that starts again when a file changes.

    One attempt at a time in the worker itself (solo), so that breakpoint() works. Code that
    cannot be imported is shown, and the next change tried.
    """
    from fw_worker.reload import ReloadingWorker, watched_directories
    from fw_worker.task_modules import settings_with

    settings = settings_with(modules)
    words = [word for module in modules for word in ("-m", module)]
    words += ["--pool", pool]
    words += ["--queues", queues] if queues else []
    words += ["--concurrency", str(concurrency)] if concurrency else []
    directories = watched_directories(settings.task_modules)
    watching = [str(directory) for directory in directories]
    if as_json:
        print_json({"watching": watching, "modules": settings.task_modules, "pool": pool})
    click.echo(f"fw dev: watching {', '.join(watching)}", err=True)
    worker = ReloadingWorker(
        [sys.executable, "-m", "fw_worker.cli", "worker", *words],
        directories,
        lambda line: click.echo(f"fw dev: {line}", err=True),
    )
    sys.exit(worker.run())
