"""Who takes messages: an owner lives until it says goodbye or the kernel drops its lock."""

from __future__ import annotations

import logging
import os
import random

from fw_core.broker.local.change import Change
from fw_core.broker.local.claims import come_back, owned_by
from fw_core.broker.local.locks import LockFile
from fw_core.broker.local.topology import delete_queue

_random = random.SystemRandom()
_log = logging.getLogger(__name__)


def register(change: Change, locks: LockFile | None) -> int:
    """Return a new owner that lives as long as this process, at most."""
    owner = _random.randrange(1, 2**48)  # byte 0 of the lock file has another use
    if locks is not None:
        locks.hold(owner)  # before anybody can read the row, or it would look dead
    change.db.execute("INSERT INTO owner VALUES (?, ?, ?)", (owner, os.getpid(), change.now))
    return owner


def remove(change: Change, owner: int, *, counted: bool) -> None:
    """Take the owner away, with its exclusive queues; what it had goes back in line.

    Args:
        change: The transaction.
        owner: Whose end it is.
        counted: It crashed: what it had counts as delivered once.
    """
    db = change.db
    come_back(change, owned_by(db, owner), owner=owner, counted=counted)
    for queue, tag in db.execute(
        "SELECT queue, tag FROM listener WHERE owner = ?", (owner,)
    ).fetchall():
        unlisten(change, queue=queue, owner=owner, tag=tag)
    for [queue] in db.execute("SELECT id FROM queue WHERE owner = ?", (owner,)).fetchall():
        delete_queue(db, queue)
    db.execute("DELETE FROM owner WHERE id = ?", (owner,))


def dead(owners: list[tuple[int, int]], locks: LockFile) -> list[int]:
    """Return those of the given ``(owner, pid)`` whose process is gone."""
    gone = [(owner, pid) for owner, pid in owners if not locks.is_held(owner)]
    for _, pid in gone:
        _log.warning("process %d ended without a goodbye; its messages go back in line", pid)
    return [owner for owner, _ in gone]


def listen(change: Change, *, queue: int, owner: int, tag: str, port: int) -> None:
    """Let ``owner`` be woken at ``port`` when a message in ``queue`` becomes ready."""
    change.db.execute(
        "INSERT OR REPLACE INTO listener VALUES (?, ?, ?, ?)", (queue, owner, tag, port)
    )
    change.db.execute("UPDATE queue SET idle_since = NULL WHERE id = ?", (queue,))


def unlisten(change: Change, *, queue: int, owner: int, tag: str) -> None:
    """End what ``listen`` began; the last one to go takes an auto-delete queue along."""
    db = change.db
    db.execute(
        "DELETE FROM listener WHERE queue = ? AND owner = ? AND tag = ?", (queue, owner, tag)
    )
    if db.execute("SELECT 1 FROM listener WHERE queue = ? LIMIT 1", (queue,)).fetchone():
        return
    if db.execute("SELECT auto_delete FROM queue WHERE id = ?", (queue,)).fetchone() == (1,):
        delete_queue(db, queue)
    else:
        db.execute("UPDATE queue SET idle_since = ? WHERE id = ?", (change.now, queue))


def remove_unused_queues(change: Change) -> None:
    """Delete the queues that nobody has listened to for as long as ``x-expires`` allows."""
    for [queue] in change.db.execute(
        "SELECT id FROM queue WHERE idle_since + lifetime <= ?", (change.now,)
    ).fetchall():
        delete_queue(change.db, queue)
