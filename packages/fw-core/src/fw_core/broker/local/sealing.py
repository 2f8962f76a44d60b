"""A message on its way in: encoded once, then put into every queue that it is routed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from fw_core.broker.local import encoding
from fw_core.broker.local.change import Change
from fw_core.broker.local.records import Letter
from fw_core.broker.local.schema import DELAYED, READY
from fw_core.broker.local.topology import Target

_LOWEST_HIGH_PRIORITY = 5  # RabbitMQ's quorum queues know two levels, and split them here


@dataclass(frozen=True, slots=True)
class Sealed:
    """A letter in the form in which it is stored.

    Attributes:
        due: Epoch seconds to hold it back until, if it has an ``eta``.
        ttl: Its own limit on waiting, in seconds, if it has an ``expiration``.
    """

    exchange: str
    key: str
    headers: str
    properties: str
    body: bytes
    rank: int
    due: float | None
    ttl: float | None


def seal(letter: Letter) -> Sealed:
    """Return ``letter`` encoded; nothing of it can change afterwards.

    Raises:
        TypeError: a header or property has no place in an AMQP table.
    """
    headers, properties = letter.draft.headers, letter.draft.properties
    if "x-delivery-count" in headers:  # the queue's own count; a republished message starts anew
        headers = {name: value for name, value in headers.items() if name != "x-delivery-count"}
    return Sealed(
        exchange=letter.exchange,
        key=letter.key,
        headers=encoding.dumps(headers),
        properties=encoding.dumps(properties),
        body=letter.draft.body,
        rank=0 if (properties.get("priority") or 0) >= _LOWEST_HIGH_PRIORITY else 1,
        due=_epoch(headers.get("eta")),
        ttl=_expiration(properties.get("expiration")),
    )


def put(change: Change, target: Target, sealed: Sealed) -> None:
    """Add the message to the end of the queue, or hold it back until it is due."""
    due = sealed.due
    ready = due is None or due <= change.now
    since = change.now if due is None or ready else due
    limits = [limit for limit in (sealed.ttl, target.ttl) if limit is not None]
    ttl = min(limits, default=None)
    expires = since + ttl if ready and ttl is not None else None
    change.db.execute(
        "INSERT INTO message (queue, state, rank, due, ttl, expires, exchange, key, headers, "
        "properties, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            target.id,
            READY if ready else DELAYED,
            sealed.rank,
            since,
            ttl,
            expires,
            sealed.exchange,
            sealed.key,
            sealed.headers,
            sealed.properties,
            sealed.body,
        ),
    )
    if ready:
        change.touched.add(target.id)
    if not ready or expires is not None:
        change.falls_due(since if expires is None else expires)


def _epoch(eta: object) -> float | None:
    # What cannot be read is delivered now: the worker refuses it where somebody sees it.
    try:
        moment = eta if isinstance(eta, datetime) else datetime.fromisoformat(str(eta))
    except ValueError:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return aware.timestamp()


def _expiration(milliseconds: object) -> float | None:
    try:
        return int(str(milliseconds)) / 1000
    except ValueError:
        return None
