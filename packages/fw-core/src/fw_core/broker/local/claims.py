"""A message on its way out: claimed by one owner, then settled or put back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from fw_core.broker.local import encoding
from fw_core.broker.local.change import Change
from fw_core.broker.local.dead_letters import bury
from fw_core.broker.local.records import Delivery
from fw_core.broker.local.schema import OWNED, READY


def claim(
    db: sqlite3.Connection, queue: str, *, owner: int, limit: int, keep: bool
) -> list[Delivery]:
    """Take up to ``limit`` ready messages of ``queue`` in line; one statement, so never twice.

    Args:
        db: The connection, in no transaction.
        queue: The queue's name.
        owner: Who takes them.
        limit: At most so many.
        keep: Keep them until they are settled; otherwise they are gone at once.
    """
    line = (
        f"SELECT id FROM message WHERE state = {READY} "
        "AND queue = (SELECT id FROM queue WHERE name = ?) ORDER BY rank, id LIMIT ?"
    )
    # A read first: it waits for nobody, and most looks find nothing.
    if not db.execute(line, (queue, 1)).fetchone():
        return []
    wanted = "rank, id, exchange, key, headers, properties, body, redelivered, returns"
    if keep:
        rows = db.execute(
            f"UPDATE message SET state = {OWNED}, owner = ? WHERE id IN ({line}) "
            f"RETURNING {wanted}",
            (owner, queue, limit),
        ).fetchall()
    else:
        rows = db.execute(
            f"DELETE FROM message WHERE id IN ({line}) RETURNING {wanted}", (queue, limit)
        ).fetchall()
    rows.sort(key=lambda row: (row[0], row[1]))
    return [_delivery(queue, *row[1:]) for row in rows]


def ack(db: sqlite3.Connection, messages: Iterable[int], *, owner: int) -> None:
    """Remove the messages, as far as they still are ``owner``'s."""
    for message in messages:
        db.execute(
            f"DELETE FROM message WHERE id = ? AND owner = ? AND state = {OWNED}", (message, owner)
        )


def come_back(change: Change, messages: Iterable[int], *, owner: int, counted: bool) -> None:
    """Put owned messages back at their place in line.

    Args:
        change: The transaction.
        messages: Their ids.
        owner: Whose they are; those that are not are left alone.
        counted: Count towards the queue's delivery limit; beyond it the message is buried.
    """
    for message in messages:
        row = change.db.execute(
            f"UPDATE message SET state = {READY}, owner = NULL, redelivered = 1, "
            f"returns = returns + ? WHERE id = ? AND owner = ? AND state = {OWNED} "
            "RETURNING queue, returns",
            (int(counted), message, owner),
        ).fetchone()
        if row is None:
            continue
        queue, returns = row
        [limit] = change.db.execute(
            "SELECT delivery_limit FROM queue WHERE id = ?", (queue,)
        ).fetchone()
        if counted and limit is not None and returns > limit:
            bury(change, message, "delivery_limit")
        else:
            change.touched.add(queue)


def reject(change: Change, messages: Iterable[int], *, owner: int) -> None:
    """Bury the messages, as far as they still are ``owner``'s."""
    for message in messages:
        mine = change.db.execute(
            f"SELECT 1 FROM message WHERE id = ? AND owner = ? AND state = {OWNED}",
            (message, owner),
        ).fetchone()
        if mine:
            bury(change, message, "rejected")


def owned_by(db: sqlite3.Connection, owner: int) -> list[int]:
    """Return the ids of all that ``owner`` has taken, in line."""
    rows = db.execute(
        f"SELECT id FROM message WHERE state = {OWNED} AND owner = ? ORDER BY rank, id", (owner,)
    ).fetchall()
    return [message for [message] in rows]


def purge(db: sqlite3.Connection, queue: int) -> int:
    """Remove the ready messages of the queue; return how many there were."""
    return db.execute(f"DELETE FROM message WHERE state = {READY} AND queue = ?", (queue,)).rowcount


def _delivery(
    queue: str,
    message: int,
    exchange: str,
    key: str,
    headers: str,
    properties: str,
    body: bytes,
    redelivered: int,
    returns: int,
) -> Delivery:
    table: dict[str, Any] = encoding.loads(headers)
    if returns:
        table["x-delivery-count"] = returns
    return Delivery(
        id=message,
        queue=queue,
        exchange=exchange,
        key=key,
        headers=table,
        properties=encoding.loads(properties),
        body=body,
        redelivered=bool(redelivered),
        returns=returns,
    )
