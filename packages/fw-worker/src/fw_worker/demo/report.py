"""What the demo found: facts of each step, and what to say where one is not as promised."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fw_core.errors import FrameworkError


class NotAsSaid(FrameworkError):  # noqa: N818 - reads as what happened
    """Something in the demo did not happen as it was said."""

    def __init__(self, what: str, instead: str) -> None:
        self.expected = what
        self.instead = instead
        super().__init__(
            f"The demo expected that {what}; instead: {instead}.",
            "What the demo shows is checked, so this is a fault of fw or of this machine.",
            "run it again; if it stays, report it with the lines of the worker above.",
        )


@dataclass(slots=True)
class Report:
    """The demo's facts, for ``--json``.

    Attributes:
        ok: Whether everything happened as said.
        seconds: How long it took.
        steps: The facts of each step, in order.
        error: What was not as said.
    """

    ok: bool = False
    seconds: float = 0.0
    steps: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
