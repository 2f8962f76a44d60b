"""What operators and tests can see of a store without changing it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from fw_core.broker.local import encoding
from fw_core.broker.local.records import MessageState, MessageView, QueueView
from fw_core.broker.local.schema import DELAYED, OWNED, READY


def queues(db: sqlite3.Connection, *, now: float) -> list[QueueView]:
    """Return every queue, by name."""
    ready = _counts(db, f"state = {READY}")
    delayed = _counts(db, f"state = {DELAYED} AND due > :now", now=now)
    due = _counts(db, f"state = {DELAYED} AND due <= :now", now=now)
    owned = _counts(db, f"state = {OWNED}")
    rows = db.execute(
        "SELECT id, name, arguments, (SELECT count(*) FROM listener WHERE queue = queue.id) "
        "FROM queue ORDER BY name"
    ).fetchall()
    return [
        QueueView(
            name=name,
            ready=ready.get(queue, 0) + due.get(queue, 0),
            delayed=delayed.get(queue, 0),
            owned=owned.get(queue, 0),
            listeners=listeners,
            arguments=encoding.loads(arguments),
        )
        for queue, name, arguments, listeners in rows
    ]


def messages(db: sqlite3.Connection, queue: int, name: str, *, now: float) -> list[MessageView]:
    """Return all messages of the queue: ready in line, then delayed by time, then owned."""
    rows = db.execute(
        "SELECT id, state, due, exchange, key, headers, properties, body, redelivered, returns, "
        "rank FROM message WHERE queue = ?",
        (queue,),
    ).fetchall()
    views: list[tuple[tuple[float, ...], MessageView]] = []
    for (
        message,
        stored,
        due,
        exchange,
        key,
        headers,
        properties,
        body,
        again,
        returns,
        rank,
    ) in rows:
        state: MessageState = "ready"
        order: tuple[float, ...] = (0, rank, 0, message)
        if stored == OWNED:
            state, order = "owned", (2, rank, 0, message)
        elif stored == DELAYED:
            state = "delayed" if due > now else "ready"
            order = (1, 0, due, message) if due > now else (0, rank, due, message)
        view = MessageView(
            id=message,
            queue=name,
            state=state,
            due=due,
            exchange=exchange,
            key=key,
            headers=encoding.loads(headers),
            properties=encoding.loads(properties),
            body=body,
            redelivered=bool(again),
            returns=returns,
        )
        views.append((order, view))
    return [view for _, view in sorted(views, key=lambda found: found[0])]


def first_ready(db: sqlite3.Connection, *, besides: Collection[str]) -> str | None:
    """Return the queue of the message that has been ready longest, in any queue but ``besides``."""
    marks = ", ".join("?" * len(besides))
    row = db.execute(
        f"SELECT name FROM message JOIN queue ON queue.id = message.queue WHERE state = {READY} "
        f"AND name NOT IN ({marks}) ORDER BY due, message.id LIMIT 1",
        tuple(besides),
    ).fetchone()
    return None if row is None else str(row[0])


def ready_counts(db: sqlite3.Connection, queues: Collection[str]) -> dict[str, int]:
    """Return how many messages are ready in those of ``queues`` that have any."""
    marks = ", ".join("?" * len(queues))
    return dict(
        db.execute(
            f"SELECT name, count(*) FROM queue JOIN message ON message.queue = queue.id "
            f"AND state = {READY} WHERE name IN ({marks}) GROUP BY name",
            tuple(queues),
        ).fetchall()
    )


def ready_count(db: sqlite3.Connection, queue: int) -> int:
    """Return how many messages of the queue are ready."""
    [count] = db.execute(
        f"SELECT count(*) FROM message WHERE state = {READY} AND queue = ?", (queue,)
    ).fetchone()
    return int(count)


def listener_count(db: sqlite3.Connection, queue: int) -> int:
    """Return how many listen to the queue."""
    [count] = db.execute("SELECT count(*) FROM listener WHERE queue = ?", (queue,)).fetchone()
    return int(count)


def _counts(db: sqlite3.Connection, where: str, *, now: float = 0.0) -> dict[int, int]:
    return dict(
        db.execute(
            f"SELECT queue, count(*) FROM message WHERE {where} GROUP BY queue", {"now": now}
        ).fetchall()
    )
