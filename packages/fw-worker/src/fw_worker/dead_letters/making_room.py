"""Dead letters that cannot be settled yet make room for those behind them.

A broker gives a collector only so many at once. When those all wait for a queue that is full, say,
some of them go to the tail of their queue: as a copy that is confirmed before the original is
acknowledged. A collector that is killed between the two leaves both, which are one row in the
table, because the copy carries the id that the row will have.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from kombu.exceptions import OperationalError

from fw_core.broker.app import App
from fw_core.broker.publish import Letter, Unconfirmed, short
from fw_core.headers import DEAD, UNSETTLED
from fw_worker.dead_letters.death import Death
from fw_worker.dead_letters.inference import infer
from fw_worker.dead_letters.letter import dead_id
from fw_worker.dead_letters.raw_message import RawMessage, read_call
from fw_worker.raw import own_headers, own_properties

_logger = logging.getLogger("fw.worker")


@dataclass(frozen=True, kw_only=True, slots=True)
class Waited:
    """What a message that could not be settled has been through.

    Attributes:
        tries: How often it was tried.
        since: When it was tried first.
        not_before: When it is to be tried again.
    """

    tries: int
    since: datetime
    not_before: datetime

    def to_header(self) -> str:
        """The same as JSON text."""
        return json.dumps([self.tries, self.since.isoformat(), self.not_before.isoformat()])

    @classmethod
    def from_header(cls, text: Any) -> Self | None:
        """Read what :meth:`to_header` wrote; None for what it did not write."""
        try:
            tries, since, not_before = json.loads(text)
            moments = [datetime.fromisoformat(each) for each in (since, not_before)]
        except (TypeError, ValueError, RecursionError):
            return None
        if type(tries) is not int or tries < 1 or any(each.tzinfo is None for each in moments):
            return None
        return cls(tries=tries, since=moments[0], not_before=moments[1])


def put_behind(
    app: App, messages: Iterable[tuple[Any, Death | None, Waited]], *, is_dead: bool
) -> list[Any]:
    """Move messages to the tail of their queue.

    Args:
        app: The app.
        messages: What was delivered, how its call died if that is known, and what it went through.
        is_dead: Whether they are dead letters; else they are outcomes.

    Returns:
        Those of which a copy is confirmed; they have been acknowledged.
    """
    moved: list[Any] = []
    try:
        with app.producer_or_acquire() as producer:
            for message, death, waited in messages:
                letter = _dead(app, message, death) if is_dead else _outcome(app, message)
                letter.headers[UNSETTLED] = waited.to_header()
                app.amqp.post(producer, letter)
                message.ack()
                moved.append(message)
    except (Unconfirmed, OperationalError, OSError) as error:
        _logger.warning("Dead letters that cannot be kept yet stay in the way: %s", short(error))
    return moved


def _dead(app: App, message: Any, death: Death | None) -> Letter:
    raw = RawMessage.of(message)
    headers = own_headers(raw.headers)
    if Death.from_header(raw.headers.get(DEAD)) is None:
        # What the broker wrote of it would be gone.
        call = read_call(raw)
        death = death or infer(raw, call, topology=app.topology, now=app.now())
        headers[DEAD] = death.to_header()
    return Letter(
        queue=raw.routing_key,
        is_call=False,
        exchange=app.topology.dead,
        wait_ms=None,
        body=raw.body,
        content_type=raw.content_type,
        content_encoding=raw.content_encoding,
        headers=headers,
        properties={**own_properties(raw.properties), "message_id": dead_id(raw)},
    )


def _outcome(app: App, message: Any) -> Letter:
    raw = RawMessage.of(message)
    return Letter(
        queue=app.topology.outcomes,
        is_call=False,
        exchange=app.topology.outcomes,
        wait_ms=None,
        body=raw.body,
        content_type=raw.content_type,
        content_encoding=raw.content_encoding,
        headers=own_headers(raw.headers),
        properties=own_properties(raw.properties),
    )
