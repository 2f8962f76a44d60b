"""A group of commands that are listed as they are met."""

from __future__ import annotations

import click


class InOrder(click.Group):
    """Lists its commands in the order in which they are declared, not by the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(self.commands)
