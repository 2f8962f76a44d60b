"""The tables of a store.

A message is in one of three states: ready (may be taken), delayed (until ``due``) or owned (taken
by a worker that lives). Its ``id`` is its place in line: a message that becomes ready later gets a
new one. Each state has its own partial index, so a claim costs the same at any backlog.
"""

from __future__ import annotations

import sqlite3

VERSION = 1

READY = 0
DELAYED = 1
OWNED = 2

_TABLES = f"""
CREATE TABLE exchange (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    durable INTEGER NOT NULL,
    auto_delete INTEGER NOT NULL,
    arguments TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    durable INTEGER NOT NULL,
    auto_delete INTEGER NOT NULL,
    exclusive INTEGER NOT NULL,
    arguments TEXT NOT NULL,
    owner INTEGER,           -- who declared it, when it is exclusive
    delivery_limit INTEGER,
    dead_letter_exchange TEXT,
    dead_letter_key TEXT,
    ttl REAL,                -- seconds a ready message may wait
    lifetime REAL,           -- seconds the queue may stay without listener
    idle_since REAL          -- null while somebody listens
);

CREATE TABLE binding (
    exchange TEXT NOT NULL,
    key TEXT NOT NULL,
    queue INTEGER NOT NULL,
    PRIMARY KEY (exchange, key, queue)
) WITHOUT ROWID;
CREATE INDEX binding_queue ON binding (queue);

CREATE TABLE owner (
    id INTEGER PRIMARY KEY,  -- random: never used again, so an old id harms nobody
    pid INTEGER NOT NULL,
    since REAL NOT NULL
);

CREATE TABLE listener (
    queue INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    tag TEXT NOT NULL,
    port INTEGER NOT NULL,   -- where to send the wake-up byte
    PRIMARY KEY (queue, owner, tag)
) WITHOUT ROWID;

CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue INTEGER NOT NULL,
    state INTEGER NOT NULL,
    rank INTEGER NOT NULL,   -- 0 goes before 1
    due REAL NOT NULL,       -- when it became or becomes ready
    ttl REAL,                -- seconds it may be ready
    expires REAL,            -- due + ttl, once it is ready
    owner INTEGER,
    returns INTEGER NOT NULL DEFAULT 0,
    redelivered INTEGER NOT NULL DEFAULT 0,
    exchange TEXT NOT NULL,
    key TEXT NOT NULL,
    headers TEXT NOT NULL,
    properties TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX message_ready ON message (queue, rank, id) WHERE state = {READY};
CREATE INDEX message_expires ON message (expires) WHERE state = {READY} AND expires IS NOT NULL;
CREATE INDEX message_delayed ON message (due, queue) WHERE state = {DELAYED};
CREATE INDEX message_owned ON message (owner, queue) WHERE state = {OWNED};

INSERT INTO exchange VALUES
    ('amq.direct', 'direct', 1, 0, '{{}}'),
    ('amq.topic', 'topic', 1, 0, '{{}}'),
    ('amq.fanout', 'fanout', 1, 0, '{{}}');

PRAGMA user_version = {VERSION};
"""


def install(connection: sqlite3.Connection) -> int:
    """Make the tables unless they exist, and return the version of those that do."""
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            return 0
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
        return VERSION
    return int(version)
