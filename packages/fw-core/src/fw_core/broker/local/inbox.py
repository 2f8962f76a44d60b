"""What a channel has claimed: waiting to be handed out, and handed out but not settled.

Pool threads settle messages while the connection's thread claims new ones, so each step is a single
operation on a dict or deque, which CPython does not interrupt.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fw_core.broker.local.records import Delivery
from fw_core.broker.local.store import Store

_BATCH = 100


@dataclass(frozen=True, slots=True)
class Subscription:
    """One AMQP consumer of a channel.

    Attributes:
        callback: Called with each message.
        no_ack: Messages are gone as soon as they are claimed.
    """

    tag: str
    queue: str
    callback: Callable[[Any], object]
    no_ack: bool


@dataclass(slots=True)
class Inbox:
    """The subscriptions of a channel and the messages claimed for them.

    Attributes:
        prefetch: How many messages may be unsettled at once; 0 sets no limit.
    """

    store: Store
    prefetch: int = 0
    subscriptions: dict[str, Subscription] = field(default_factory=dict[str, Subscription])
    _waiting: deque[tuple[Subscription, Delivery]] = field(
        default_factory=deque[tuple[Subscription, Delivery]]
    )
    _unsettled: dict[int, None] = field(default_factory=dict[int, None])

    def room(self) -> int:
        """Return how many more messages the prefetch limit admits now."""
        if not self.prefetch:
            return _BATCH
        return max(0, min(_BATCH, self.prefetch - len(self._unsettled)))

    def next(self, owner: int) -> tuple[Subscription, Delivery] | None:
        """Return the next message to hand out, claiming more when none is waiting."""
        if not self._waiting:
            self._claim(owner)
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def keep(self, message: int) -> None:
        """Note a message claimed by other means as unsettled."""
        self._unsettled[message] = None

    def settled(self, message: int, *, multiple: bool = False) -> list[int]:
        """Return which messages a settlement of ``message`` is about, and forget them.

        Args:
            message: The id; one that is not unsettled is about nothing.
            multiple: It speaks for all that were claimed before it as well.
        """
        if not multiple:
            return [] if self._unsettled.pop(message, self) is self else [message]
        known = list(self._unsettled)
        if message and message not in self._unsettled:
            return []
        about = known[: known.index(message) + 1] if message else known
        return [one for one in about if self._unsettled.pop(one, self) is not self]

    def cancel(self, tag: str) -> tuple[Subscription | None, list[int]]:
        """End a subscription; return it, and the messages claimed for it but not handed out."""
        subscription = self.subscriptions.pop(tag, None)
        left = [one for _ in range(len(self._waiting)) for one in [self._waiting.popleft()]]
        self._waiting.extend(pair for pair in left if pair[0] is not subscription)
        dropped = [delivery.id for found, delivery in left if found is subscription]
        return subscription, [one for one in dropped if self.settled(one)]

    def empty(self) -> list[int]:
        """Forget everything; return what was not settled."""
        self._waiting.clear()
        self.subscriptions.clear()
        return self.settled(0, multiple=True)

    def _claim(self, owner: int) -> None:
        tags = list(self.subscriptions)
        for position, tag in enumerate(tags):
            subscription = self.subscriptions[tag]
            room = _BATCH if subscription.no_ack else self.room()
            # A share each, and another one first every time: no queue waits for a fuller one.
            share = -(-room // (len(tags) - position))
            if not share:
                continue
            for delivery in self.store.claim(
                owner, subscription.queue, limit=share, keep=not subscription.no_ack
            ):
                if not subscription.no_ack:
                    self._unsettled[delivery.id] = None
                self._waiting.append((subscription, delivery))
        for tag in tags[:1]:
            self.subscriptions[tag] = self.subscriptions.pop(tag)
