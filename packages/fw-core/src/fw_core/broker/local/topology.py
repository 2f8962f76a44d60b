"""Exchanges, queues and bindings: declared once, refused when declared otherwise, and followed.

Every function works inside a transaction of the caller's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fw_core.broker.local import encoding
from fw_core.broker.local.schema import DELAYED, OWNED, READY
from fw_core.broker.local.topics import matches

KINDS = ("direct", "topic", "fanout")


class MissingError(LookupError):
    """An exchange or queue does not exist.

    Attributes:
        what: ``"exchange"`` or ``"queue"``.
        name: The name that was looked for.
    """

    def __init__(self, what: str, name: str) -> None:
        self.what = what
        self.name = name
        super().__init__(f"no {what} {name!r}")


class UnequalError(ValueError):
    """An exchange or queue exists, and was declared differently.

    Attributes:
        argument: The first property or argument that differs.
    """

    def __init__(
        self, what: str, name: str, argument: str, wanted: object, current: object
    ) -> None:
        self.what = what
        self.name = name
        self.argument = argument
        super().__init__(
            f"inequivalent arg {argument!r} for {what} {name!r}: "
            f"received {_shown(wanted)} but current is {_shown(current)}"
        )


@dataclass(frozen=True, slots=True)
class Target:
    """A queue that a message is routed to.

    Attributes:
        ttl: Seconds a ready message may wait there, if that is limited.
    """

    id: int
    ttl: float | None


def declare_exchange(
    db: sqlite3.Connection,
    name: str,
    *,
    kind: str,
    durable: bool,
    auto_delete: bool,
    arguments: Mapping[str, Any],
) -> None:
    """Make the exchange, or check that it is as described.

    Raises:
        UnequalError: it exists and differs.
    """
    wanted = {"type": kind, "durable": durable, "auto_delete": auto_delete, **arguments}
    row = db.execute(
        "SELECT kind, durable, auto_delete, arguments FROM exchange WHERE name = ?", (name,)
    ).fetchone()
    if row is None:
        db.execute(
            "INSERT INTO exchange VALUES (?, ?, ?, ?, ?)",
            (name, kind, durable, auto_delete, encoding.dumps(arguments)),
        )
        return
    current = {
        "type": row[0],
        "durable": bool(row[1]),
        "auto_delete": bool(row[2]),
        **encoding.loads(row[3]),
    }
    _compare("exchange", name, wanted, current)


def has_exchange(db: sqlite3.Connection, name: str) -> bool:
    """Whether an exchange of this name exists; the default exchange always does."""
    if not name:
        return True
    return db.execute("SELECT 1 FROM exchange WHERE name = ?", (name,)).fetchone() is not None


def delete_exchange(db: sqlite3.Connection, name: str, *, only_unused: bool) -> None:
    """Remove the exchange and its bindings, if it exists (and has none, with ``only_unused``)."""
    if (
        only_unused
        and db.execute("SELECT 1 FROM binding WHERE exchange = ? LIMIT 1", (name,)).fetchone()
    ):
        return
    db.execute("DELETE FROM binding WHERE exchange = ?", (name,))
    db.execute("DELETE FROM exchange WHERE name = ?", (name,))


def declare_queue(
    db: sqlite3.Connection,
    name: str,
    *,
    durable: bool,
    auto_delete: bool,
    exclusive_owner: int | None,
    arguments: Mapping[str, Any],
    now: float,
) -> int:
    """Make the queue, or check that it is as described; return its id.

    Raises:
        UnequalError: it exists and differs.
    """
    exclusive = exclusive_owner is not None
    wanted = {
        "durable": durable,
        "auto_delete": auto_delete,
        "exclusive": exclusive,
        **arguments,
    }
    row = db.execute(
        "SELECT id, durable, auto_delete, exclusive, arguments FROM queue WHERE name = ?", (name,)
    ).fetchone()
    if row is not None:
        current = {
            "durable": bool(row[1]),
            "auto_delete": bool(row[2]),
            "exclusive": bool(row[3]),
            **encoding.loads(row[4]),
        }
        _compare("queue", name, wanted, current)
        db.execute(
            "UPDATE queue SET idle_since = ? WHERE id = ? AND idle_since IS NOT NULL", (now, row[0])
        )
        return int(row[0])
    cursor = db.execute(
        "INSERT INTO queue (name, durable, auto_delete, exclusive, arguments, owner, "
        "delivery_limit, dead_letter_exchange, dead_letter_key, ttl, lifetime, idle_since) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            name,
            durable,
            auto_delete,
            exclusive,
            encoding.dumps(arguments),
            exclusive_owner,
            arguments.get("x-delivery-limit"),
            arguments.get("x-dead-letter-exchange"),
            arguments.get("x-dead-letter-routing-key"),
            _seconds(arguments.get("x-message-ttl")),
            _seconds(arguments.get("x-expires")),
            now,
        ),
    )
    return int(cursor.lastrowid or 0)


def queue_id(db: sqlite3.Connection, name: str) -> int:
    """Return the id of the queue.

    Raises:
        MissingError: there is none of this name.
    """
    row = db.execute("SELECT id FROM queue WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise MissingError("queue", name)
    return int(row[0])


def delete_queue(db: sqlite3.Connection, queue: int) -> None:
    """Remove the queue with its bindings and messages, as RabbitMQ does, without dead letters."""
    # One statement a state, because only the states have an index.
    for state in (READY, DELAYED, OWNED):
        db.execute(f"DELETE FROM message WHERE state = {state} AND queue = ?", (queue,))
    for table in ("binding", "listener"):
        db.execute(f"DELETE FROM {table} WHERE queue = ?", (queue,))
    db.execute("DELETE FROM queue WHERE id = ?", (queue,))


def bind(db: sqlite3.Connection, queue: str, *, exchange: str, key: str) -> None:
    """Send what ``exchange`` takes under ``key`` to ``queue`` as well.

    Raises:
        MissingError: the exchange or the queue does not exist.
    """
    if not has_exchange(db, exchange):
        raise MissingError("exchange", exchange)
    db.execute(
        "INSERT OR IGNORE INTO binding VALUES (?, ?, ?)", (exchange, key, queue_id(db, queue))
    )


def unbind(db: sqlite3.Connection, queue: str, *, exchange: str, key: str) -> None:
    """Take the binding away, if there is one."""
    db.execute(
        "DELETE FROM binding WHERE exchange = ? AND key = ? "
        "AND queue = (SELECT id FROM queue WHERE name = ?)",
        (exchange, key, queue),
    )


def route(db: sqlite3.Connection, exchange: str, key: str) -> list[Target]:
    """Return the queues that a message published so would reach, each once.

    Raises:
        MissingError: the exchange does not exist.
    """
    tried: set[str] = set()
    while exchange not in tried:
        tried.add(exchange)
        targets, alternate = _follow(db, exchange, key)
        if targets or not isinstance(alternate, str) or not has_exchange(db, alternate):
            return targets
        exchange = alternate
    return []


def _follow(db: sqlite3.Connection, exchange: str, key: str) -> tuple[list[Target], object]:
    if not exchange:
        row = db.execute("SELECT id, ttl FROM queue WHERE name = ?", (key,)).fetchone()
        return ([] if row is None else [Target(*row)]), None
    rows = db.execute(
        "SELECT exchange.kind, exchange.arguments, binding.key, queue.id, queue.ttl FROM exchange "
        "LEFT JOIN binding ON binding.exchange = exchange.name "
        "AND (exchange.kind <> 'direct' OR binding.key = ?) "
        "LEFT JOIN queue ON queue.id = binding.queue WHERE exchange.name = ?",
        (key, exchange),
    ).fetchall()
    if not rows:
        raise MissingError("exchange", exchange)
    kind, arguments = rows[0][:2]
    targets = {
        found: Target(found, ttl)
        for _, _, pattern, found, ttl in rows
        if found is not None and (kind != "topic" or matches(pattern, key))
    }
    return list(targets.values()), encoding.loads(arguments).get("alternate-exchange")


def _compare(what: str, name: str, wanted: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    for argument in [*current, *wanted]:
        if wanted.get(argument) != current.get(argument):
            raise UnequalError(what, name, argument, wanted.get(argument), current.get(argument))


def _shown(value: object) -> str:
    return "none" if value is None else f"'{value}'"


def _seconds(milliseconds: object) -> float | None:
    return None if milliseconds is None else float(str(milliseconds)) / 1000
