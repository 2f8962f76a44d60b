"""``fw workflow``: tasks one after the other, chosen by name."""

from __future__ import annotations

from pathlib import Path

import click

from fw_worker.cli import options
from fw_worker.cli.waiting import print_sent


@click.group("workflow")
def command() -> None:
    """Run tasks one after the other, chosen by name."""


@command.command("run")
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option(
    "--plan",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with a plan, instead of names: JSON, or YAML as its name says.",
)
@click.option(
    "--data",
    required=True,
    metavar="JSON",
    help="What the first task gets: JSON, or plain text where it is none.",
)
@click.option("--wait", is_flag=True, help="Wait for the last task's result and print it.")
@options.timeout("How long --wait waits.")
@options.modules
@options.as_json
def run(
    names: tuple[str, ...],
    plan: Path | None,
    data: str,
    wait: bool,
    timeout: float,
    modules: tuple[str, ...],
    as_json: bool,
) -> None:
    """Give the data to the first task and each result to the next; print the last one's id."""
    from fw_worker.client_app import open_client_app
    from fw_worker.sending import run_typed_plan, run_typed_workflow
    from fw_worker.task_modules import settings_with

    if bool(names) == bool(plan):
        raise click.UsageError("Give the names of the tasks, or a plan by --plan.")
    app = open_client_app(settings_with(modules))
    if plan is None:
        sent = run_typed_workflow(names, data, wait=wait)
    else:
        is_yaml = plan.suffix in {".yaml", ".yml"}
        sent = run_typed_plan(plan.read_text(), data, is_yaml=is_yaml)
    print_sent(sent, app, wait=wait, timeout=timeout, as_json=as_json)
