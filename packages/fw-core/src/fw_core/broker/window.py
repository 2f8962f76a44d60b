"""Many messages in one confirmed round: published one after the other, confirmed meanwhile.

A confirm that is waited for after each message is a round trip each. Here up to ``WINDOW``
messages are on their way at a time, and the round ends when the broker has confirmed them all.
Confirms are numbered from 1 on each channel (RabbitMQ, "Publisher Confirms"), so a round has a
channel of its own.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from fw_core.broker.publish import Letter, Unconfirmed, answering_within, short
from fw_core.broker.topology import Declared
from fw_core.errors import FrameworkError

WINDOW = 500


@dataclass(slots=True)
class Window:
    """One confirmed round on RabbitMQ; use it as a context.

    Args:
        producer: Gives the connection.
        declared: What has been declared on it.
        seconds: How long the broker may be silent while it owes a confirm.

    Attributes:
        owed: The ids of calls that have been published and not confirmed, oldest first.
        confirmed: How many have been confirmed.
    """

    producer: Any
    declared: Declared
    seconds: float
    owed: OrderedDict[int, str] = field(default_factory=OrderedDict)
    confirmed: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    _channel: Any = None
    _published: int = 0

    def __enter__(self) -> Self:
        connection = self.producer.connection
        try:
            connection.ensure_connection(max_retries=1, timeout=self.seconds)
            with answering_within(connection, self.seconds):
                channel = connection.channel()
                channel.confirm_select()
        except FrameworkError:
            raise
        except Exception as error:
            connection.collect(socket_timeout=0.1)
            raise Unconfirmed(short(error), maybe=False) from error
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)
        self._channel = channel
        return self

    def publish(self, letter: Letter) -> None:
        """Publish a message; waits only while the window is full.

        Raises:
            Unconfirmed: the connection was lost, or the broker is silent.
        """
        try:
            connection = self.producer.connection.connection
            with answering_within(self.producer.connection, self.seconds):
                self.declared.ensure(
                    connection, self._channel, queue=letter.queue, wait_ms=letter.wait_ms
                )
            properties = dict(letter.properties)
            message = self._channel.prepare_message(
                letter.body,
                priority=properties.pop("priority", None),
                content_type=letter.content_type,
                content_encoding=letter.content_encoding,
                headers=letter.headers,
                properties={**properties, "delivery_mode": 2},
            )
            self._published += 1
            self.owed[self._published] = str(letter.headers.get("id"))
            self._channel._basic_publish(
                message, exchange=letter.exchange, routing_key=letter.queue, mandatory=True
            )
        except Exception as error:
            self._drop()
            raise Unconfirmed(short(error), maybe=True) from error
        while len(self.owed) >= WINDOW:
            self._drain()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            return
        while self.owed:
            self._drain()
        self._channel.close()
        if self.refused:
            cause = next(iter(self.refused.values()))
            raise Unconfirmed(cause, maybe=False)

    def _drain(self) -> None:
        deadline = time.monotonic() + self.seconds
        owed = len(self.owed)
        try:
            while len(self.owed) == owed:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("no confirm in time")
                self.producer.connection.drain_events(timeout=left)
        except Exception as error:
            self._drop()
            raise Unconfirmed(short(error), maybe=True) from error

    def _drop(self) -> None:
        connection = self.producer.connection
        connection.collect(socket_timeout=0.1)
        self.producer.revive(connection)

    def _on_ack(self, tag: int, multiple: bool) -> None:
        settled = self._settle(tag, multiple)
        self.confirmed += sum(task_id not in self.refused for task_id in settled)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        for task_id in self._settle(tag, multiple):
            self.refused[task_id] = "the queue refused it; is it full?"

    def _on_return(self, error: Any, exchange: str, routing_key: str, message: Any) -> None:
        self.refused[str(message.properties.get("correlation_id"))] = "no queue takes it"

    def _settle(self, tag: int, multiple: bool) -> list[str]:
        if not multiple:
            return [self.owed.pop(tag)] if tag in self.owed else []
        settled: list[str] = []
        while self.owed and next(iter(self.owed)) <= tag:
            settled.append(self.owed.popitem(last=False)[1])
        return settled
