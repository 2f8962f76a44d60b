"""``fw demo``: see it work, on this machine, in half a minute."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from fw_worker.cli import options
from fw_worker.cli.printing import print_json


@click.command("demo")
@options.as_json
def command(as_json: bool) -> None:
    """Run the example: a retry, a result, a workflow, and two calls that are refused.

    It needs no server, leaves nothing behind, takes about ten seconds, and checks what it shows.
    """
    from fw_worker.demo.story import run_demo

    report = run_demo((lambda line: None) if as_json else click.echo)
    if as_json:
        print_json(asdict(report))
    elif report.ok:
        click.echo(f"\nAll of it happened as said, in {report.seconds:g} s.")
        click.echo("Next: write a task in tasks.py, then run `fw dev -m tasks`.")
    if report.error:
        click.echo(f"\n{report.error}", err=True)
        sys.exit(1)
