"""How a command says things: one JSON document, or text and tables for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import click


def print_json(document: Any) -> None:
    """Print one JSON document on standard output, on one line."""
    click.echo(json.dumps(document, ensure_ascii=False, default=_plain))


def print_value(value: Any) -> None:
    """Print what a task returned: a text as it is, anything else as JSON."""
    if isinstance(value, str):
        click.echo(value)
    else:
        click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def print_error(error: Exception) -> None:
    """Print an error's text on standard error."""
    click.echo(str(error), err=True)


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print names and values below each other; what is not known is left out."""
    shown = {name: value for name, value in facts.items() if value not in (None, "")}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        lines = str(value).rstrip().splitlines() or [""]
        click.echo(f"{name:<{width}}  {lines[0]}")
        for line in lines[1:]:
            click.echo(f"{'':<{width}}  {line}")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as wide as the terminal, or as wide as it gets where there is none."""
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=400, color_system=None)
    console.print(table)


def _plain(value: Any) -> str:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    return str(value)
