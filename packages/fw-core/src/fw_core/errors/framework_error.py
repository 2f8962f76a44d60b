"""The root of the tree, and how each of its errors is worded."""

from __future__ import annotations

from typing import Any


class FrameworkError(Exception):
    """The root of every error that fw raises.

    Attributes:
        what: What happened, with the value.
        why: Why that matters.
        fix: One line to copy.
    """

    def __init__(self, what: str, why: str, fix: str) -> None:
        self.what = what
        self.why = why
        self.fix = fix
        super().__init__(f"{what}\n{why}\nFix: {fix}")

    def __str__(self) -> str:
        return f"{self.what}\n{self.why}\nFix: {self.fix}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    cls: type[FrameworkError], args: tuple[Any, ...], facts: dict[str, Any]
) -> FrameworkError:
    """Make an error again in another process, whatever its own constructor asks for."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(facts)
    return error
