"""``fw send``: queue one call."""

from __future__ import annotations

import re
from typing import Any

import click

from fw_worker.cli import options
from fw_worker.cli.waiting import print_sent

_NUMBER = re.compile(r"-\d[\d.eE+-]*")


class _Send(click.Command):
    """Takes negative numbers as arguments, and still refuses a misspelt option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        rest = super().parse_args(ctx, args)
        if "--" not in given:
            for word in ctx.params.get("arguments", ()):
                if word.startswith("-") and len(word) > 1 and not _NUMBER.fullmatch(word):
                    raise click.NoSuchOption(word.partition("=")[0], ctx=ctx)
        return rest


@click.command("send", cls=_Send, context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--kwargs", metavar="JSON", help="Named arguments as a JSON object.")
@click.option("--queue", metavar="QUEUE", help="Another queue than the task's own.")
@click.option(
    "--delay", type=click.FloatRange(min=0), metavar="SECONDS", help="Start no earlier than that."
)
@click.option("--id", "task_id", metavar="ID", help="The id of the call, to send it again.")
@click.option("--wait", is_flag=True, help="Wait for the result and print it.")
@options.timeout("How long --wait waits.")
@options.modules
@options.as_json
def command(
    name: str,
    arguments: tuple[str, ...],
    kwargs: str | None,
    queue: str | None,
    delay: float | None,
    task_id: str | None,
    wait: bool,
    timeout: float,
    modules: tuple[str, ...],
    as_json: bool,
) -> None:
    r"""Queue a call of the task NAME and print its id.

    ARGUMENTS are JSON, or plain text where they are none; key=value gives a named one. They are
    checked by the task's annotations before anything is sent.

    \b
    fw send orders.process_order 7
    fw send orders.greet Ada greeting=Hello --wait
    fw send orders.import_rows '[[1, 2], [3, 4]]' --delay 60
    """
    from fw_core.declare.registry import TASK_REGISTRY
    from fw_worker.client_app import open_client_app
    from fw_worker.sending import send_typed
    from fw_worker.task_modules import settings_with

    app = open_client_app(settings_with(modules))
    call: dict[str, Any] = {"queue": queue, "delay": delay, "id": task_id}
    sent = send_typed(TASK_REGISTRY[name], arguments, kwargs, wait=wait, **call)
    print_sent(sent, app, wait=wait, timeout=timeout, as_json=as_json)
