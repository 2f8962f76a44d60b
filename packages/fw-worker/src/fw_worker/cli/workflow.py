"""``fw workflow``: run a plan, see how far it is, cancel it, or let it go on."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fw_worker.cli import options
from fw_worker.cli.in_order import InOrder
from fw_worker.cli.printing import print_json, print_table
from fw_worker.cli.waiting import print_sent

if TYPE_CHECKING:
    from fw_core.broker.app import App
    from fw_core.workflow.state import WorkflowState

_STATES = ("waiting", "running", "succeeded", "failed", "cancelled")
_LOOK_SECONDS = 0.5
_MOST_LISTED = 1000

_id = click.argument("workflow_id", metavar="ID")


@click.group("workflow", cls=InOrder)
def command() -> None:
    """Run a plan of tasks; see how far it is, cancel it, or let it go on."""


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


@command.command("list")
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@click.option(
    "--limit", type=click.IntRange(1, _MOST_LISTED), default=20, show_default=True, metavar="N",
    help="Of the newest N.",
)  # fmt: skip
@options.as_json
def list_(state: str | None, limit: int, as_json: bool) -> None:
    """Show the workflows that were started last, the newest first."""
    from fw_core.workflow import history
    from fw_worker.workflow_facts import brief

    app = _app()
    found = [each for each in history.newest(app, most=limit) if state in (None, each.state)]
    if as_json:
        print_json([brief(each) for each in found])
    elif found:
        columns = ("id", "state", "started", "took", "plan", "error")
        facts = [brief(each) for each in found]
        print_table(columns, [[_cell(each[name]) for name in columns] for each in facts])
    else:
        none = f"None of the newest {limit} is {state}."
        click.echo("There are none." if state is None else none)


@command.command("show")
@_id
@click.option("--mermaid", "form", flag_value="mermaid", help="As a Mermaid flowchart.")
@click.option("--svg", "form", flag_value="svg", help="As an SVG picture.")
@click.option("--watch", is_flag=True, help="Until it has ended; exits with 1 if it failed.")
@options.as_json
def show(workflow_id: str, form: str | None, watch: bool, as_json: bool) -> None:
    """Draw a workflow with the states of its steps."""
    from fw_core.workflow import history
    from fw_worker.workflow_facts import everything

    if watch and (form or as_json):
        raise click.UsageError("--watch draws text only.")
    app = _app()
    if watch:
        sys.exit(_watch(app, workflow_id))
    workflow = history.state_of(app, workflow_id)
    if as_json:
        print_json(everything(workflow))
    elif form is not None:
        from fw_core.workflow.mermaid import as_mermaid
        from fw_core.workflow.svg import as_svg

        click.echo(as_mermaid(workflow) if form == "mermaid" else as_svg(workflow))
    else:
        click.echo(_drawn(app, workflow))


@command.command("cancel")
@_id
@options.as_json
def cancel(workflow_id: str, as_json: bool) -> None:
    """Let no step of it begin any more; what runs comes to its end."""
    from fw_core.workflow.result import cancel

    is_cancelled = cancel(_app(), workflow_id)
    if as_json:
        print_json({"id": workflow_id, "cancelled": is_cancelled})
    else:
        click.echo("Cancelled." if is_cancelled else "It had ended, or was cancelled before.")


@command.command("retry")
@_id
@options.modules
@options.as_json
def retry(workflow_id: str, modules: tuple[str, ...], as_json: bool) -> None:
    """Let a failed workflow go on from the steps that failed; what has succeeded is kept."""
    from fw_worker.client_app import open_client_app
    from fw_worker.task_modules import settings_with
    from fw_worker.workflows import retry

    app = open_client_app(settings_with(modules, required=False))
    again = retry(app, workflow_id)
    if as_json:
        print_json({"id": workflow_id, "again": again})
    else:
        click.echo(f"Goes on from {', '.join(again)}." if again else "Its first steps are sent.")


def _app() -> App:
    from fw_core.broker.app import create_app
    from fw_worker.task_modules import settings_with

    return create_app(settings_with(required=False), {})


def _drawn(app: App, workflow: WorkflowState) -> str:
    import shutil

    from fw_core.workflow.drawing import as_text, progress

    width = shutil.get_terminal_size((100, 24)).columns
    return f"{as_text(workflow, width=width, now=app.now())}\n{progress(workflow)}"


def _watch(app: App, workflow_id: str) -> int:
    """Draw it again whenever it has changed, until it has ended; returns how to exit."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from fw_core.workflow import history
    from fw_core.workflow.drawing import progress
    from fw_core.workflow.state import State

    console, shown = Console(file=sys.stdout), ""
    with Live(console=console, auto_refresh=False) as live:
        while True:
            workflow = history.state_of(app, workflow_id)
            line = progress(workflow)
            if console.is_terminal:
                live.update(Text(_drawn(app, workflow)), refresh=True)
            elif line != shown:
                click.echo(line)
            shown = line
            if workflow.state.is_final:
                break
            time.sleep(_LOOK_SECONDS)
    if not console.is_terminal:
        click.echo(_drawn(app, workflow))
    return 0 if workflow.state is State.SUCCEEDED else 1


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return "" if value is None else str(value)
