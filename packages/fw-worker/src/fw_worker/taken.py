"""What this worker was given: how many messages, from where, and which of them are not settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

OnMessage = Callable[[Any], Any]


class Taken:
    """The messages that came to one worker process.

    Attributes:
        total: How many came.
        redelivered: How many of them had been delivered before, to whomever.
        by_queue: How many came from each queue, by its name on the broker.
    """

    def __init__(self) -> None:
        self.total = 0
        self.redelivered = 0
        self.by_queue: Counter[str] = Counter()
        # Weak: who is to settle a message holds it. One that nobody holds is not settled any more.
        self._messages: WeakSet[Any] = WeakSet()

    def counting(self, handle: OnMessage) -> OnMessage:
        """``handle``, behind a look at each message."""

        def on_message(message: Any) -> Any:
            self.add(message)
            return handle(message)

        return on_message

    def add(self, message: Any) -> None:
        """Count a message that has just come."""
        self.total += 1
        self.redelivered += bool(message.delivery_info.get("redelivered"))
        self.by_queue[queue_of(message)] += 1
        self._messages.add(message)

    def unsettled(self) -> list[Any]:
        """The messages that are neither acknowledged nor given back."""
        return [message for message in self._messages if not message.acknowledged]

    def forget(self) -> None:
        """The connection is gone, and the broker gives what was not settled to others."""
        self._messages.clear()


def queue_of(message: Any) -> str:
    """The queue that a message came from, by its name on the broker."""
    return str(message.delivery_info.get("routing_key") or "")
