"""The collector: takes dead letters and kept outcomes from the broker into the database.

A process of its own beside a worker: a thread would be in the way of every fork, and the worker's
main process must not wait for a database. It acknowledges a message when its row is committed, so
it may be killed at any moment; what it held is delivered again, and kept once.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NoReturn

from kombu import Consumer
from kombu.exceptions import OperationalError

from fw_core.broker.app import App
from fw_core.broker.publish import short
from fw_core.urls import safe_url
from fw_worker.dead_letters.batch import Kept, keep
from fw_worker.dead_letters.inbox import BATCH, HELD, Held, Inbox, pause
from fw_worker.dead_letters.pruning import Pruning
from fw_worker.dead_letters.signs import Signs
from fw_worker.odd_timestamps import tolerate_odd_timestamps

IDLE_SECONDS = 1.0

_logger = logging.getLogger("fw.worker")


def collect_once(app: App, connection: Any, *, most: int | None = None) -> int:
    """Keep the dead letters and outcomes that are there, and return how many.

    Args:
        app: The app.
        connection: A connection to its broker.
        most: Stop after so many messages.
    """
    tolerate_odd_timestamps()
    done = 0
    topology = app.topology
    with connection.channel() as channel:
        topology.declare_base(channel)
        while most is None or done < most:
            room = BATCH if most is None else min(BATCH, most - done)
            dead = _get(channel, topology.dead, room)
            outcomes = _get(channel, topology.outcomes, room - len(dead))
            kept = keep(app, dead, outcomes)
            for message in kept.done:
                message.ack()
            done += len(kept.done)
            if kept.away or not (dead or outcomes):
                break
    # Closing the channel has given back what is left, so that it did not come twice.
    return done


def _get(channel: Any, queue: str, most: int) -> list[Any]:
    found: list[Any] = []
    while len(found) < most and (message := channel.basic_get(queue)) is not None:
        found.append(channel.message_to_python(message))
    return found


@dataclass
class Collector:
    """Collects until it is told to stop.

    Args:
        app: The app.
        check: Called about once a second; may raise ``SystemExit``.
        signs: Where it says that it goes on; nobody hears it, if not given.
    """

    app: App
    check: Callable[[], None] = lambda: None
    monotonic: Callable[[], float] = time.monotonic
    signs: Signs = field(default_factory=Signs)
    _inbox: Inbox = field(init=False)
    _failures: int = 0
    _not_before: float = 0.0

    def __post_init__(self) -> None:
        self._inbox = Inbox(self.app, self.monotonic)

    def run(self) -> NoReturn:
        """Connect, collect, and connect again, until ``check`` ends it."""
        tolerate_odd_timestamps()
        pruning = Pruning(self.app)
        seconds = 0.0
        while True:
            try:
                with self._consuming() as connection:
                    seconds = 0.0
                    while True:
                        kept = self.turn(connection)
                        self.signs.turn(
                            kept=bool(kept and kept.done), unsettled=self._inbox.unsettled
                        )
                        pruning.run_if_due()
            except Exception as error:
                self._inbox.clear()  # the broker delivers them again
                seconds = min(2 * seconds or 1.0, 5.0)
                if isinstance(error, self._broker_errors):
                    _logger.warning(
                        "The collector of dead letters lost the broker %s (%s); it connects again",
                        safe_url(self.app.broker_url),
                        short(error),
                    )
                else:
                    _logger.exception("The collector of dead letters failed; it begins again")
                self._sleep(seconds)

    @cached_property
    def _broker_errors(self) -> tuple[type[Exception], ...]:
        connection: Any = self.app.connection_for_read()
        errors = (*connection.connection_errors, *connection.channel_errors)
        return (*errors, OperationalError, OSError)

    def turn(self, connection: Any) -> Kept | None:
        """Take what is there, or wait a second for it, and keep it."""
        self.check()
        _beat(connection)
        self._fill(connection)
        now = self.monotonic()
        if now < self._not_before:
            return None
        self._inbox.make_room(connection.default_channel)
        batch = self._inbox.ready(now)[:BATCH]
        if not batch:
            return None
        kept = keep(
            self.app,
            [held.message for held in batch if held.is_dead],
            [held.message for held in batch if not held.is_dead],
            between=partial(self._between, connection),
        )
        self._settle(batch, kept)
        return kept

    def _between(self, connection: Any) -> None:
        self.signs.beat()
        _beat(connection)

    def _settle(self, batch: list[Held], kept: Kept) -> None:
        for message in kept.done:
            message.ack()
        self._inbox.take_out(kept.done)
        if kept.dead:
            _logger.info("Collected %d dead letter%s", kept.dead, "s" * (kept.dead != 1))
        if kept.outcomes:
            _logger.info("Stored %d outcome%s", kept.outcomes, "s" * (kept.outcomes != 1))
        now = self.monotonic()
        if kept.away:
            self._failures += 1
            seconds = pause(self._failures)
            self._not_before = now + seconds
            _logger.warning("Dead letters stay with the broker for %.1f s: %s", seconds, kept.away)
            return
        self._failures = 0
        self._inbox.try_later(batch, kept)

    @contextmanager
    def _consuming(self) -> Iterator[Any]:
        with self.app.connection_for_read() as connection:
            connection.connect()
            channel = connection.default_channel
            topology = self.app.topology
            topology.declare_base(channel)
            for queue, is_dead in (
                (topology.dead_queue(), True),
                (topology.outcomes_queue(), False),
            ):
                consumer = Consumer(
                    channel,
                    queues=[queue],
                    on_message=partial(self._take, is_dead),
                    auto_declare=False,
                    tag_prefix="fw-collector-",
                )
                # What kombu cannot unpack is a dead letter like any other.
                consumer.on_decode_error = partial(self._take, is_dead)
                consumer.qos(prefetch_count=HELD)
                consumer.consume()
            yield connection

    def _take(self, is_dead: bool, message: Any, _: Exception | None = None) -> None:
        self._inbox.take(message, is_dead=is_dead)

    def _fill(self, connection: Any) -> None:
        now = self.monotonic()
        ready = len(self._inbox.ready(now))
        if now < self._not_before:  # nothing can be kept now, however much is here
            with contextlib.suppress(TimeoutError):
                connection.drain_events(timeout=IDLE_SECONDS)
            return
        patience = 0.01 if ready else IDLE_SECONDS
        with contextlib.suppress(TimeoutError):
            while ready < BATCH:
                connection.drain_events(timeout=patience)
                patience = 0.01
                ready += 1

    def _sleep(self, seconds: float) -> None:
        end = self.monotonic() + seconds
        while (left := end - self.monotonic()) > 0:
            self.check()
            self.signs.beat()
            time.sleep(min(left, 0.5))


def _beat(connection: Any) -> None:
    if connection.heartbeat and connection.supports_heartbeats:
        connection.heartbeat_check()


def main() -> None:
    """Run beside the worker whose process id is given, until it ends; say so in a shared file."""
    from fw_core import client
    from fw_core.settings import read_settings
    from fw_worker import logs
    from fw_worker.dead_letters.alone import collector_app, die_with
    from fw_worker.dead_letters.routes import read_routes

    signal.signal(signal.SIGTERM, _leave)
    for name in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # a terminal sends them to the worker as well
    signs, parent = Signs(int(sys.argv[1])), int(sys.argv[2])
    check = die_with(parent)
    settings = read_settings()
    logs.configure(settings)
    app = collector_app(settings, read_routes(sys.stdin.read()))
    app.set_current()
    client.set_own_app(app)
    with contextlib.suppress(BrokenPipeError):
        Collector(app, check, signs=signs).run()


def _leave(*_: Any) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
