"""Waiting for a result and printing it: what ``--wait`` does in several commands."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from fw_worker.cli.printing import print_error, print_facts, print_json, print_value

if TYPE_CHECKING:
    from fw_core.broker.app import App


def print_sent(sent: Any, app: App, *, wait: bool, timeout: float, as_json: bool) -> None:
    """Print a call that was sent; with ``wait``, what became of it.

    It exits with 1 where the task failed or did not end in time; its id has been printed then.
    """
    facts: dict[str, Any] = {"id": sent.id, "task": sent.task_name}
    if wait:
        print_outcome(sent, app, timeout=timeout, as_json=as_json, value_only=True)
    elif as_json:
        print_json(facts)
    else:
        click.echo(sent.id)


def print_outcome(
    result: Any, app: App, *, timeout: float, as_json: bool, value_only: bool = False
) -> None:
    """Wait until a call has ended and print what became of it; exits with 1 where it failed."""
    from fw_core.errors import ResultError, ResultStoreError
    from fw_worker.outcome_of_call import outcome_of_call

    error: ResultError | None = None
    try:
        result.get(timeout=timeout)
    except ResultStoreError:
        if value_only:
            click.echo(result.id, err=True)
        raise
    except ResultError as failed:
        error = failed
    facts = outcome_of_call(app, result.id)
    if as_json:
        print_json(facts)
    elif error is None and value_only:
        print_value(facts["result"])
    elif not value_only:
        print_call(facts)
    if error is not None:
        print_error(error)
        sys.exit(1)


def print_call(facts: dict[str, Any]) -> None:
    """Print what became of a call, for people."""
    import json

    shown = dict(facts)
    looked_in = shown.pop("looked_in", None)
    if shown.get("state") == "SUCCESS" and not isinstance(shown["result"], str):
        shown["result"] = json.dumps(shown["result"], ensure_ascii=False, default=str)
    if error := shown.get("error"):
        shown["error"] = f"{error['type']}: {error['message']}"
    print_facts(shown)
    if looked_in:
        click.echo(
            f"Nothing is stored of it in {looked_in}: it waits, or runs, or keeps no result, "
            "or nobody has sent it."
        )
