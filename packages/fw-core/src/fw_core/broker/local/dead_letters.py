"""Where a message goes that no worker may have, and what it carries (rabbitmq.com/docs/dlx)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast

from fw_core.broker.local import encoding, topology
from fw_core.broker.local.change import Change
from fw_core.broker.local.sealing import Sealed, put

Reason = Literal["rejected", "delivery_limit", "expired"]

_log = logging.getLogger(__name__)


def bury(change: Change, message: int, reason: Reason) -> None:
    """Move the message to where its queue sends dead letters; without a way there it is dropped."""
    exchange, key, headers, properties, body, rank, queue, dead_exchange, dead_key = (
        change.db.execute(
            "SELECT exchange, key, headers, properties, body, rank, name, dead_letter_exchange, "
            "dead_letter_key FROM message JOIN queue ON queue.id = message.queue "
            "WHERE message.id = ?",
            (message,),
        ).fetchone()
    )
    change.db.execute("DELETE FROM message WHERE id = ?", (message,))
    if dead_exchange is None:
        if reason == "delivery_limit":
            _log.warning("queue %r: a message was dropped at its delivery limit", queue)
        return
    table = encoding.loads(properties)
    expiration = table.pop("expiration", None)
    died = death_headers(
        encoding.loads(headers),
        queue=queue,
        reason=reason,
        exchange=exchange,
        key=key,
        expiration=expiration,
        now=change.now,
    )
    dead = Sealed(
        exchange=dead_exchange,
        key=key if dead_key is None else dead_key,
        headers=encoding.dumps(died),
        properties=encoding.dumps(table),
        body=body,
        rank=rank,
        due=None,
        ttl=None,
    )
    try:
        targets = topology.route(change.db, dead.exchange, dead.key)
    except topology.MissingError:
        targets = []
    if not targets:
        _log.warning(
            "queue %r: a dead letter (%s) was dropped, because exchange %r sends key %r nowhere",
            queue,
            reason,
            dead.exchange,
            dead.key,
        )
    for target in targets:
        put(change, target, dead)


def death_headers(
    headers: Mapping[str, Any],
    *,
    queue: str,
    reason: Reason,
    exchange: str,
    key: str,
    expiration: str | None = None,
    now: float,
) -> dict[str, Any]:
    """Return ``headers`` with this death written on top of the earlier ones.

    One entry per queue and reason, the latest first; dying again in the same way counts up.

    Args:
        headers: The message's headers so far.
        queue: Where it died.
        reason: Why.
        exchange: Where it had been published.
        key: Its routing key then.
        expiration: Its own limit in milliseconds, which a dead letter no longer has.
        now: Epoch seconds.
    """
    earlier = _deaths(headers.get("x-death"))
    same = [death for death in earlier if (death["queue"], death["reason"]) == (queue, reason)]
    death: dict[str, Any] = {
        "count": 1 + sum(int(found["count"]) for found in same),
        "reason": reason,
        "queue": queue,
        # An AMQP timestamp: whole seconds, and py-amqp reads it without a zone.
        "time": datetime.fromtimestamp(int(now), UTC).replace(tzinfo=None),
        "exchange": exchange,
        "routing-keys": [key],
    }
    if expiration is not None:
        death["original-expiration"] = expiration
    first = {
        "x-first-death-reason": reason,
        "x-first-death-queue": queue,
        "x-first-death-exchange": exchange,
    }
    return {
        **first,
        **headers,
        "x-last-death-reason": reason,
        "x-last-death-queue": queue,
        "x-last-death-exchange": exchange,
        "x-death": [death, *(found for found in earlier if found not in same)],
    }


def _deaths(found: list[Any] | str | None) -> list[dict[str, Any]]:
    # A producer may have written anything; a message that cannot be buried would stop the queue.
    listed = found if isinstance(found, list) else []
    deaths = [cast("dict[str, Any]", death) for death in listed if isinstance(death, dict)]
    return [
        {"count": 1, "queue": "", "reason": "", **death}
        for death in deaths
        if isinstance(death.get("count", 1), int)
    ]
