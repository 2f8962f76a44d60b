"""``fw db``: the tables that results are kept in."""

from __future__ import annotations

import click

from fw_worker.cli import options
from fw_worker.cli.printing import print_json


@click.group("db")
def command() -> None:
    """Look after the tables that results are kept in."""


@command.command("upgrade")
@options.as_json
def upgrade(as_json: bool) -> None:
    """Make the tables, or bring them up to this version. Doing it twice does no harm."""
    from fw_core.broker.app import results_url
    from fw_core.database.schema import upgrade
    from fw_core.urls import safe_url
    from fw_worker.task_modules import settings_with

    url = results_url(settings_with(required=False))
    applied = upgrade(url)
    if as_json:
        print_json({"database": safe_url(url), "applied": applied})
    elif applied:
        for revision in applied:
            click.echo(f"Applied {revision}")
    else:
        click.echo(f"Nothing to do: the tables of {safe_url(url)} are up to date.")
