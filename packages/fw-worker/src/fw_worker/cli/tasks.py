"""``fw tasks``: what is declared."""

from __future__ import annotations

import click

from fw_worker.cli import options
from fw_worker.cli.printing import print_json, print_table


@click.command("tasks")
@options.modules
@options.as_json
def command(modules: tuple[str, ...], as_json: bool) -> None:
    """Show the declared tasks and what they promise."""
    from fw_core.declare.registry import TASK_REGISTRY
    from fw_worker.declared import declared_tasks
    from fw_worker.task_modules import import_task_modules, settings_with

    import_task_modules(settings_with(modules))
    tasks = declared_tasks(TASK_REGISTRY)
    if as_json:
        print_json([task.facts() for task in tasks])
        return
    print_table(
        ("task", "takes", "queue", "retries", "timeout", "result", "declared in"),
        [
            (
                task.name,
                task.takes,
                task.queue if task.priority is None else f"{task.queue}, priority {task.priority}",
                task.shown_retries,
                f"{task.timeout:g} s",
                "ignored" if task.ignore_result else "kept",
                task.place,
            )
            for task in tasks
        ],
    )
