"""What the clock does to messages: delays end, and what waited too long dies."""

from __future__ import annotations

import sqlite3

from fw_core.broker.local.change import Change
from fw_core.broker.local.dead_letters import bury
from fw_core.broker.local.schema import DELAYED, READY


def next_due(db: sqlite3.Connection) -> float | None:
    """Return when the next delayed message is due or the next ready one expires, if any."""
    row = db.execute(
        f"SELECT (SELECT min(due) FROM message WHERE state = {DELAYED}), "
        f"(SELECT min(expires) FROM message WHERE state = {READY} AND expires IS NOT NULL)"
    ).fetchone()
    return min((moment for moment in row if moment is not None), default=None)


def advance(change: Change) -> None:
    """Do what the clock asks for: delayed messages become ready, outdated ones die."""
    db, now = change.db, change.now
    due = db.execute(
        f"SELECT DISTINCT queue FROM message WHERE state = {DELAYED} AND due <= ?", (now,)
    ).fetchall()
    if due:
        # Written anew, because the id is the place in line, and theirs is at the end.
        db.execute(
            "INSERT INTO message (queue, state, rank, due, ttl, expires, returns, redelivered, "
            f"exchange, key, headers, properties, body) SELECT queue, {READY}, rank, due, ttl, "
            "? + ttl, returns, redelivered, exchange, key, headers, properties, body "
            f"FROM message WHERE state = {DELAYED} AND due <= ? ORDER BY due, id",
            (now, now),
        )
        db.execute(f"DELETE FROM message WHERE state = {DELAYED} AND due <= ?", (now,))
        change.touched.update(queue for [queue] in due)
    outdated = db.execute(
        f"SELECT id FROM message WHERE state = {READY} AND expires IS NOT NULL AND expires <= ?",
        (now,),
    ).fetchall()
    for [message] in outdated:
        bury(change, message, "expired")
