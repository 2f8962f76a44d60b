"""At import: a function cannot be a task as it is declared."""

from __future__ import annotations

from fw_core.errors.framework_error import FrameworkError


class DeclarationError(FrameworkError, TypeError):
    """A function cannot be a task as it is written; raised by the decorator."""


class DuplicateTaskError(FrameworkError, ValueError):
    """Two functions claim one task name; raised by the decorator."""

    def __init__(self, *, name: str, first: str, second: str) -> None:
        self.name = name
        self.first = first
        self.second = second
        super().__init__(
            f"Two functions claim the task name {name!r}: {first} and {second}.",
            "Messages carry the name, so a worker could run the wrong one.",
            f'give one of them name="{name}_v2".',
        )


class PolicyError(FrameworkError, ValueError):
    """A retry policy has a value that cannot be kept; raised by the decorator."""
