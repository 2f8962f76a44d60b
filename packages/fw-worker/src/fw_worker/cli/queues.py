"""``fw queues``: what waits where."""

from __future__ import annotations

import click

from fw_worker.cli import options
from fw_worker.cli.printing import print_json, print_table


@click.command("queues")
@options.modules
@options.as_json
def command(modules: tuple[str, ...], as_json: bool) -> None:
    """Count the messages in each queue, and who takes them.

    All messages are counted, also those that workers hold. RabbitMQ tells of these by its
    management API only: set FW_MANAGEMENT_URL.
    """
    from fw_worker.app import create_app
    from fw_worker.queue_counts import queue_counts
    from fw_worker.task_modules import settings_with

    counts = queue_counts(create_app(settings_with(modules, required=False)))
    if as_json:
        print_json([count.facts() for count in counts])
        return
    print_table(
        ("queue", "holds", "ready", "unacknowledged", "total", "consumers"),
        [
            (
                count.queue,
                count.kind,
                str(count.ready),
                "?" if count.unacknowledged is None else str(count.unacknowledged),
                str(count.total) if count.unacknowledged is not None else f"{count.total} + ?",
                str(count.consumers),
            )
            for count in counts
        ],
    )
    if any(count.unacknowledged is None for count in counts):
        click.echo(
            "?: messages that workers hold are not counted. RabbitMQ tells of them by its "
            "management API: set FW_MANAGEMENT_URL.",
            err=True,
        )
