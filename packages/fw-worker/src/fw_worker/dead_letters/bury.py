"""Publishes a dead letter: the message as it came, with what is known of its end in a header."""

from __future__ import annotations

from fw_core.broker.app import App
from fw_core.broker.publish import Letter
from fw_core.headers import DEAD
from fw_worker.dead_letters.death import Death
from fw_worker.raw import Raw


def bury(app: App, raw: Raw, death: Death) -> None:
    """Put a message into the queue of dead letters; it is confirmed when this returns.

    Raises:
        Unconfirmed: it is not known to be there, so the original must be kept.
    """
    letter = Letter(
        queue=raw.queue,
        is_call=False,
        exchange=app.topology.dead,
        wait_ms=None,
        body=raw.body,
        content_type=raw.content_type,
        content_encoding=raw.content_encoding,
        headers={**raw.headers, DEAD: death.to_header()},
        properties=raw.properties,
    )
    with app.producer_or_acquire() as producer:
        app.amqp.post(producer, letter)
