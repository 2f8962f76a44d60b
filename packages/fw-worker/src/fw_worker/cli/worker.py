"""``fw worker``: run tasks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from fw_worker.cli import options
from fw_worker.cli.printing import print_json

if TYPE_CHECKING:
    from fw_worker.starting import Starting


@click.command("worker")
@options.modules
@options.queues
@options.concurrency
@options.pool(default="prefork")
@options.as_json
def command(
    modules: tuple[str, ...], queues: str, concurrency: int | None, pool: str, as_json: bool
) -> None:
    """Run tasks until told to stop.

    SIGTERM or Ctrl+C: no more messages are taken, and the attempts that run come to their end.
    The log goes to standard error; FW_LOG_FORMAT=json writes one object a line.
    """
    import logging

    _end_when_told()

    from fw_core import client
    from fw_worker import logs
    from fw_worker.app import create_app
    from fw_worker.task_modules import settings_with
    from fw_worker.worker_process import run_worker

    settings = settings_with(modules)
    logs.configure(settings)
    app = create_app(settings)
    client.set_own_app(app)

    def tell(starting: Starting) -> None:
        if as_json:
            print_json(starting.facts())
        elif settings.log_format == "json":
            logging.getLogger("fw.worker").info("Starting", extra={"fw": starting.facts()})
        else:
            click.echo(str(starting), err=True)

    sys.exit(
        run_worker(app, queues=options.split(queues), concurrency=concurrency, pool=pool, tell=tell)
    )


def _end_when_told() -> None:
    """Let SIGTERM end what has not begun; the first process of a container would not hear it."""
    import os
    import signal

    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
