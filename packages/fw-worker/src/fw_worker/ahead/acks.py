"""Acknowledgements that leave together: one write for all of a turn of the event loop.

Each would be a system call for the worker and, in a quorum queue, an entry in the log for the
broker, which costs both more than what is in it. Deliveries on a channel are numbered from 1
(RabbitMQ, "Delivery Identifiers"): where all up to a number are settled, one acknowledgement
(``multiple``) says so; those beyond a message that still runs are said one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from struct import Struct
from typing import Any

_FRAME = Struct(">BHIHHQBB")
"""AMQP 0-9-1, 2.3.5 and basic.ack: type, channel, size, class, method, tag, multiple, end."""

_METHOD, _SIZE, _BASIC, _ACK, _END = 1, 13, 60, 80, 0xCE


class Acks:
    """How the messages of one channel are settled.

    Args:
        channel: py-amqp's; its methods are replaced.
        soon: Runs a function in the next turn of the event loop.
        at_once: Whether there may be no next turn.
        errors: What a lost connection raises; whoever reads from it finds that out as well.
    """

    def __init__(
        self,
        channel: Any,
        *,
        soon: Callable[[Callable[[], None]], Any],
        at_once: Callable[[], bool],
        errors: tuple[type[Exception], ...],
    ) -> None:
        self._channel = channel
        self._soon = soon
        self._at_once = at_once
        self._errors = errors
        self._reject = channel.basic_reject
        self._rows_from: dict[int, int] = {}  # rows of settled deliveries: first to last
        self._rows_to: dict[int, int] = {}  # and last to first
        self._owed: list[int] = []  # acknowledged here, not said to the broker yet
        channel.basic_ack = self.ack
        channel.basic_reject = self.reject

    def ack(self, delivery_tag: int, multiple: bool = False) -> None:
        """Acknowledge a message, in this turn or the next one.

        Raises:
            ValueError: several are meant; which of them are settled is only known here.
        """
        if multiple:
            raise ValueError("acknowledge messages one by one")
        self._settled(delivery_tag)
        self._owed.append(delivery_tag)
        if self._at_once():
            self.flush()
        elif len(self._owed) == 1:
            self._soon(self.flush)

    def reject(self, delivery_tag: int, requeue: bool) -> None:
        """Give a message back, or throw it out.

        Raises:
            OSError: the connection is lost.
        """
        self._settled(delivery_tag)
        self._reject(delivery_tag, requeue)

    def flush(self) -> None:
        """Say what is owed."""
        owed, self._owed = self._owed, []
        connection = self._channel.connection
        if not owed or connection is None:  # lost: the broker gives the messages out again
            return
        # The broker knows no number but those that are owed.
        all_up_to = self._rows_from.get(1, 0)
        together = max((tag for tag in owed if tag <= all_up_to), default=0)
        frames = [self._frame(together, multiple=1)] if together else []
        frames += [self._frame(tag, multiple=0) for tag in owed if tag > together]
        with suppress(*self._errors):
            connection.transport.write(b"".join(frames))
            connection.bytes_sent += 1  # so that no heartbeat is due

    def _settled(self, tag: int) -> None:
        first = self._rows_to.pop(tag - 1, tag)
        last = self._rows_from.pop(tag + 1, tag)
        self._rows_from[first], self._rows_to[last] = last, first

    def _frame(self, tag: int, *, multiple: int) -> bytes:
        channel = self._channel.channel_id
        return _FRAME.pack(_METHOD, channel, _SIZE, _BASIC, _ACK, tag, multiple, _END)
