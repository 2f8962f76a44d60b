"""The group of commands: finds each in its own module, and turns errors into exit codes."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import click


class Commands(click.Group):
    """A group whose commands are modules of this package.

    Args:
        modules: The modules' names, in the order of the help; each holds a ``command``.
    """

    def __init__(self, *args: Any, modules: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._modules = tuple(modules)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, as a newcomer meets them."""
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command."""
        if cmd_name not in self._modules:
            return None
        module = importlib.import_module(f"fw_worker.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was typed; an unknown one comes with the nearest."""
        from fw_core.errors import nearest

        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = nearest(args[0], self._modules)
            if not near:
                raise
            message = f"No such command {args[0]!r}. Did you mean {near[0]!r}?"
            raise click.UsageError(message, ctx=error.ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what fw refuses is said in its own words, without a traceback."""
        from fw_core.errors import FrameworkError

        try:
            return super().invoke(ctx)
        except FrameworkError as error:
            from fw_worker.cli.exit_codes import exit_code

            click.echo(str(error), err=True)
            ctx.exit(exit_code(error))


def version_option(function: Any) -> Any:
    """``--version``, read from the installed package when it is asked for."""

    def show(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            from importlib.metadata import version

            click.echo(f"fw {version('fw-worker')}")
            ctx.exit()

    return click.option(
        "--version", is_flag=True, expose_value=False, is_eager=True, callback=show,
        help="Show the version and exit.",
    )(function)  # fmt: skip
