"""One transaction: when it happens, and who has to be woken once it is kept."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

TICK_SECONDS = 1.0
"""How often every worker looks for itself; an event further away needs no wake-up byte."""


@dataclass(slots=True)
class Change:
    """A transaction under way.

    Attributes:
        db: The connection, inside the transaction.
        now: Epoch seconds, the same for all of it.
        touched: Queues in which a message became ready.
        soon: Whether something falls due before the next tick of the workers.
    """

    db: sqlite3.Connection
    now: float
    touched: set[int] = field(default_factory=set[int])
    soon: bool = False

    def falls_due(self, at: float) -> None:
        """Note an event at ``at``."""
        self.soon = self.soon or at - self.now <= TICK_SECONDS

    def ports(self) -> set[int]:
        """Return the ports of those who listen to what changed."""
        if self.soon:
            rows = self.db.execute("SELECT DISTINCT port FROM listener").fetchall()
            return {port for [port] in rows}
        return {
            port
            for queue in self.touched
            for [port] in self.db.execute("SELECT port FROM listener WHERE queue = ?", (queue,))
        }
