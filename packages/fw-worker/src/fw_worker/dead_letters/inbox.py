"""What a collector holds: messages that the broker gave it and that it has not acknowledged."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fw_core.broker.app import App
from fw_core.headers import UNSETTLED
from fw_worker.dead_letters.batch import Kept
from fw_worker.dead_letters.death import Death
from fw_worker.dead_letters.making_room import Waited, put_behind

BATCH = 100
"""Messages that are kept in one transaction."""

HELD = 2 * BATCH
"""Messages of a queue that are held at most; half of them may have failed and be tried again.

More of them go to the tail of their queue if anything is behind them.
"""

ROOM_SECONDS = 2.0
"""How often room is made: it must not turn round as fast as the broker lets it."""

LONGEST_PAUSE = 30.0

_logger = logging.getLogger("fw.worker")


@dataclass(slots=True)
class Held:
    """A message that is not acknowledged yet.

    Attributes:
        message: The message.
        is_dead: Whether it is a dead letter; else it is an outcome.
        tries: How often it could not be kept.
        since: When that was first.
        not_before: When it is tried again, by the collector's clock.
        death: How its call died, where a try found out.
        stays: Whether it could not be moved to the tail.
    """

    message: Any
    is_dead: bool
    tries: int = 0
    since: datetime | None = None
    not_before: float = 0.0
    death: Death | None = None
    stays: bool = False


@dataclass(slots=True)
class Inbox:
    """Messages in the order they came in, and when each of them is to be tried."""

    app: App
    monotonic: Callable[[], float] = time.monotonic
    held: list[Held] = field(default_factory=list[Held])
    _room_at: float = 0.0

    @property
    def unsettled(self) -> int:
        """How many of them could not be kept yet."""
        return sum(bool(held.tries) for held in self.held)

    def clear(self) -> None:
        """Forget them; the broker delivers them again."""
        self.held.clear()

    def take(self, message: Any, *, is_dead: bool) -> None:
        """Put in what was delivered."""
        held = Held(message, is_dead)
        if waited := Waited.from_header((message.headers or {}).get(UNSETTLED)):
            seconds = (waited.not_before - self.app.now()).total_seconds()
            held.tries, held.since = waited.tries, waited.since
            held.not_before = self.monotonic() + min(seconds, LONGEST_PAUSE)
        self.held.append(held)

    def ready(self, now: float) -> list[Held]:
        """Those that may be tried, the new ones first: the others have kept them waiting."""
        due = [held for held in self.held if held.not_before <= now]
        return sorted(due, key=lambda held: held.tries)

    def take_out(self, messages: Sequence[Any]) -> None:
        """Forget what has been acknowledged."""
        gone = {id(message) for message in messages}
        self.held = [held for held in self.held if id(held.message) not in gone]

    def try_later(self, batch: Sequence[Held], kept: Kept) -> None:
        """Let wait what of a batch could not be kept; the log hears of each once."""
        now = self.monotonic()
        left = {id(each.message): each for each in kept.left}
        new: list[str] = []
        for held in batch:
            if (found := left.get(id(held.message))) is None:
                continue
            if not held.tries:
                held.since = self.app.now()
                new.append(found.why)
            held.tries += 1
            held.not_before = now + pause(held.tries)
            held.death = found.death or held.death
        if new:
            _logger.warning(
                "%d dead letter%s cannot be kept yet, and will be tried again: %s",
                len(new), "s" * (len(new) != 1), new[0],
            )  # fmt: skip

    def make_room(self, channel: Any) -> None:
        """Move what is in the way of others to the tail of its queue.

        Args:
            channel: Where the broker is asked whether there are others.
        """
        now = self.monotonic()
        if now < self._room_at:
            return
        for queue, is_dead in ((self.app.topology.dead, True), (self.app.topology.outcomes, False)):
            unlucky = [h for h in self.held if h.is_dead is is_dead and h.tries]
            if len(unlucky) <= BATCH:
                continue
            self._room_at = now + ROOM_SECONDS
            behind = channel.queue_declare(queue, passive=True).message_count
            if not behind:
                continue
            # What could not be moved the last time is not to keep the others here.
            unlucky.sort(key=lambda held: (held.stays, -held.not_before))
            self._move(unlucky[: min(len(unlucky) - BATCH, behind)], now, is_dead=is_dead)

    def _move(self, helds: Sequence[Held], now: float, *, is_dead: bool) -> None:
        moved = put_behind(
            self.app,
            [(held.message, held.death, self._waited(held, now)) for held in helds],
            is_dead=is_dead,
        )
        self.take_out(moved)
        for held in helds[len(moved) :][:1]:
            held.stays = True

    def _waited(self, held: Held, now: float) -> Waited:
        at = self.app.now()
        return Waited(
            tries=held.tries,
            since=held.since or at,
            not_before=at + timedelta(seconds=held.not_before - now),
        )


def pause(failures: int) -> float:
    """0.5 s, then 1, 2, 4 … up to half a minute, a little different in each collector."""
    return min(2.0 ** min(failures - 2, 10), LONGEST_PAUSE) * random.uniform(0.8, 1.0)  # noqa: S311
