"""``fw result``: what became of a call."""

from __future__ import annotations

import sys

import click

from fw_worker.cli import options
from fw_worker.cli.printing import print_json
from fw_worker.cli.waiting import print_call, print_outcome


@click.command("result")
@click.argument("task_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait until it has ended.")
@options.timeout("How long --wait waits.")
@options.as_json
def command(task_id: str, wait: bool, timeout: float, as_json: bool) -> None:
    """Show all that is known of the call ID.

    Exits with 1 where the task has failed.
    """
    from fw_core.broker.app import create_app
    from fw_core.results.handle import TaskResult
    from fw_worker.outcome_of_call import outcome_of_call
    from fw_worker.task_modules import settings_with

    app = create_app(settings_with(required=False), {})
    result: TaskResult[object] = TaskResult(task_id, app=app)
    if wait:
        print_outcome(result, app, timeout=timeout, as_json=as_json)
        return
    facts = outcome_of_call(app, task_id)
    if as_json:
        print_json(facts)
    else:
        print_call(facts)
    if facts["state"] in {"FAILURE", "REVOKED"}:
        sys.exit(1)
