"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]

as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
)

modules = click.option(
    "-m",
    "--module",
    "modules",
    multiple=True,
    metavar="MODULE",
    help="A module that declares tasks, added to FW_TASK_MODULES; can be repeated.",
)

queues = click.option(
    "--queues", metavar="A,B", default="", help="Take these queues only; all, if not given."
)

concurrency = click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    metavar="N",
    help="Attempts at the same time; as many as there are processors, if not given.",
)


def timeout(purpose: str) -> Callable[[Command], Command]:
    """``--timeout``, for a command that can wait."""
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        default=60,
        show_default=True,
        metavar="SECONDS",
        help=purpose,
    )


def pool(default: str) -> Callable[[Command], Command]:
    """``--pool``, with the default of the command."""
    return click.option(
        "--pool",
        type=click.Choice(["prefork", "threads", "solo"]),
        default=default,
        show_default=True,
        help="Processes, threads, or one attempt at a time in the worker itself.",
    )


def split(names: str) -> tuple[str, ...]:
    """The names in a comma-separated text."""
    return tuple(part.strip() for part in names.split(",") if part.strip())
