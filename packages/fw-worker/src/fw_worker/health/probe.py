"""Asks the broker, on the worker's own connection, whether messages would still reach the worker.

A connection can be fine while nothing is taken: the broker has lost the consumer, or it thinks that
the worker holds as much as it may. What AMQP tells of a queue is how many messages are ready in it
and how many consumers it has; what the worker knows is what came and what it holds. Together that
is enough: no consumer, or messages that do not come although there is room for them.

Questions are sent without waiting for the answers, which are read by the event loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from amqp import spec

STRIKES = 2
"""Rounds in which a queue looks wrong before it is: nothing changed between them."""


class Suspicions:
    """What speaks against each queue; a decision is made of two rounds that say the same."""

    def __init__(self) -> None:
        self._strikes: Counter[str] = Counter()
        self._came: dict[str, int] = {}

    def hear(self, queue: str, *, ready: int, consumers: int, came: int, has_room: bool) -> str:
        """Hear of a queue; returns what is wrong with it, or nothing.

        Args:
            queue: Its name on the broker.
            ready: Messages that wait in it.
            consumers: How many take from it; this worker should be one of them.
            came: How many have come from it to this worker so far.
            has_room: Whether the broker may give this worker more of them.
        """
        stands = came == self._came.get(queue, came)
        self._came[queue] = came
        looks_wrong = consumers == 0 or (ready > 0 and has_room and stands)
        self._strikes[queue] = self._strikes[queue] + 1 if looks_wrong else 0
        if self._strikes[queue] < STRIKES:
            return ""
        if consumers == 0:
            return f"the broker does not know any more that queue {queue!r} is taken"
        return f"{ready} messages wait in queue {queue!r}, and none comes"


class Probe:
    """The questions of one connection.

    Args:
        connection: The connection that the worker consumes on.
        on_answer: Called with a queue's name, its ready messages and its consumers.
    """

    def __init__(self, connection: Any, on_answer: Callable[[str, int, int], None]) -> None:
        self.owed = 0
        self._on_answer = on_answer
        self._connection = connection
        self._read = connection.bytes_recv
        # A channel of its own: one that the broker closes takes no message with it.
        self._channel = connection.channel()
        self._channel._callbacks[spec.Queue.DeclareOk] = self._answered

    def ask(self, queues: Iterable[str]) -> None:
        """Ask for all of these queues; the answers come later."""
        for queue in queues:
            passive_only: tuple[Any, ...] = (0, queue, True, False, False, False, False, {})
            self._channel.send_method(spec.Queue.Declare, "BsbbbbbF", passive_only)
            self.owed += 1

    def was_read(self) -> bool:
        """Whether anything was read from the connection since this was asked last."""
        before, self._read = self._read, self._connection.bytes_recv
        return bool(self._read != before)

    def _answered(self, queue: str, ready: int, consumers: int) -> None:
        self.owed -= 1
        self._on_answer(queue, ready, consumers)
