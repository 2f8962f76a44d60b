"""One test's own world: an app, a broker in memory, a clock, and a worker to turn the crank."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

from celery import signals

from fw_core import client
from fw_core.broker import local
from fw_core.broker.app import App
from fw_core.broker.local import MessageView
from fw_core.broker.local.records import Draft
from fw_core.declare import decorator
from fw_core.declare.registry import TASK_REGISTRY
from fw_core.headers import LATERS
from fw_testing.clock import VirtualClock, one_look, pauses_of
from fw_testing.collecting import Collecting, Results
from fw_testing.errors import NeverAtRest
from fw_testing.in_memory import DeclaredOnce, settings_in_memory
from fw_testing.isolation import Isolation
from fw_testing.moved_time import datetime_moved
from fw_testing.recording import attempt_ran, message_sent, message_waiting
from fw_testing.records import DeadLetter, Message, Ran
from fw_testing.time_limit import limit_virtual_time
from fw_testing.worker import DeterministicWorker
from fw_worker.again import forget
from fw_worker.app import create_app
from fw_worker.dead_letters.sending_again import Replayed
from fw_worker.ended import Ended, listening

MOST_STEPS = 10_000

_names = itertools.count(1)


class Bench:
    """An app whose messages stay in this process and run when they are told to.

    Made by :func:`bench`.
    """

    app: App
    worker: DeterministicWorker
    collecting: Collecting | None = None

    def __init__(self, store: local.Store, clock: VirtualClock, isolation: Isolation) -> None:
        self.clock = clock
        self.sent: list[Message] = []
        self.ran: list[Ran] = []
        self.is_eager = False
        self.is_held = False
        self._isolation = isolation
        self._store = store

    def put_to_work(self, app: App) -> None:
        """Let a worker and a collector of ``app`` take the messages."""
        self.app = app
        self.worker = DeterministicWorker(app, self._store, self._isolation)
        self.collecting = Collecting(app, self._store, self.worker.connection)

    def collect(self) -> None:
        """Keep what has died, and the outcomes that the database could not take before."""
        if self.collecting is not None:
            with self.held():
                self.collecting.collect()
        self.go_on()

    def go_on(self) -> None:
        """Run what is ready, if calls run at once here and nothing is running."""
        if self.is_eager and not (self.is_held or self.worker.running) and self.worker.is_ready():
            self.rest()

    def replay(self, ids: Sequence[str], to: str | None) -> Replayed:
        """Send dead letters again."""
        assert self.collecting is not None
        with self.held():
            replayed = self.collecting.replay(ids, to=to)
        self.go_on()
        return replayed

    def discard(self, ids: Sequence[str], reason: str) -> int:
        """Note that dead letters are not needed; returns how many were."""
        assert self.collecting is not None
        with self.held():
            return len(self.collecting.discard(ids, reason=reason))

    def run_next(self) -> Ran | None:
        """Run the message that is first in line; None if none is ready, or it could not run."""
        before = len(self.ran)
        self.worker.run_next()
        self.collect()
        return self.ran[before] if len(self.ran) > before else None

    def drain(self, most: int = MOST_STEPS) -> list[Ran]:
        """Run what is ready until nothing is; the time stands still."""
        before = len(self.ran)
        self._run(most, through_time=False)
        return self.ran[before:]

    def rest(self, look: Callable[[], None] = lambda: None) -> list[Ran]:
        """Run everything; where only delayed messages are left, move the time to the next.

        Args:
            look: Called before each message.
        """
        before = len(self.ran)
        with self.held():
            self._run(MOST_STEPS, through_time=True, look=look)
        return self.ran[before:]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing run by itself, as eager calls do, until the block ends."""
        before, self.is_held = self.is_held, True
        try:
            yield
        finally:
            self.is_held = before

    def bring_again(self, view: MessageView) -> None:
        """Deliver a message again, as after the death of a worker that had noted nothing of it."""
        self.app.backend.forget(view.headers["id"])
        forget(view.properties.get("message_id"))
        draft = Draft(view.body, view.headers, view.properties)
        self._store.publish(draft, key=view.queue)
        dead_worker = self._store.register_owner()
        self._store.claim(dead_worker, view.queue)
        self._store.remove_owner(dead_worker, counted=True)

    def next_in(self) -> float | None:
        """Seconds until the next delayed message is due; None if none waits."""
        due = self.worker.next_due()
        return None if due is None else max(due - self.clock.timestamp(), 0.0)

    def waiting(self) -> list[Message]:
        """The messages that have not run, ready or delayed, in the order in which they are due."""
        now = self.clock.now()
        return [
            message_waiting(view, queue=self._queue(view.queue), now=now) for view in self.views()
        ]

    def views(self) -> list[MessageView]:
        """The same, as the broker has them."""
        own = {self.app.topology.dead, self.app.topology.outcomes}
        views = [
            view
            for queue in self._store.queues()
            if queue.name not in own and (queue.ready or queue.delayed)
            for view in self._store.messages(queue.name)
        ]
        return sorted(views, key=lambda view: view.due)

    def dead(self) -> list[DeadLetter]:
        """The dead letters, oldest first."""
        with self.held():
            return [] if self.collecting is None else self.collecting.dead()

    def _run(
        self, most: int, *, through_time: bool, look: Callable[[], None] = lambda: None
    ) -> None:
        self.collect()
        for _ in range(most):
            look()
            if self.worker.run_next() is not None:
                self.collect()
                continue
            wait = self.next_in() if through_time else None
            if wait is None:
                return
            self.clock.advance(wait)
            self.collect()
        raise NeverAtRest(steps=most, last=self.ran[-1].task if self.ran else "none")

    def close(self) -> None:
        """Let go of the broker."""
        if self.collecting is not None:
            self.collecting.close()
        self.worker.close()

    def note_sent(
        self, sender: str, body: Any, headers: Any, priority: Any, routing_key: str
    ) -> None:
        """Remember a call that was published; what a worker sends again is none."""
        if headers.get("retries") or headers.get(LATERS):
            return
        message = message_sent(
            sender,
            body,
            headers,
            priority=priority,
            queue=self._queue(routing_key),
            now=self.clock.now(),
        )
        self.sent.append(message)

    def note_ended(self, ended: Ended) -> None:
        """Remember an attempt that has run."""
        self.ran.append(attempt_ran(ended))

    def _queue(self, name: str) -> str:
        return name.removeprefix(self.app.topology.prefix)


@contextmanager
def bench(
    *, start: datetime | str | None = None, move_datetime: bool = False, move_sleep: bool = False
) -> Iterator[Bench]:
    """A world for one test; calls of every task go into it until the block ends.

    Nothing is left behind: tasks that the test declared are forgotten, results are gone.

    Args:
        start: Where its clock starts, with a time zone.
        move_datetime: ``datetime.now()`` and ``time.time()`` follow the clock.
        move_sleep: A task that sleeps moves the clock; else it is an error.
    """
    clock = VirtualClock(start)
    isolation = Isolation(clock, move_sleep=move_sleep)
    name = f"bench-{next(_names)}"
    with ExitStack() as stack:
        stack.enter_context(isolation.closed())
        stack.enter_context(_without_celerys_lines())
        if move_datetime:
            stack.enter_context(datetime_moved(clock))
        stack.enter_context(TASK_REGISTRY.scoped())
        decorator.allow_nested(True)
        stack.callback(decorator.allow_nested, False)
        store = local.memory_store(name, clock=clock.timestamp)
        stack.callback(local.forget, name)
        settings = settings_in_memory().model_copy(update={"broker_url": local.memory_url(name)})
        world = Bench(store, clock, isolation)
        app = create_app(
            settings,
            TASK_REGISTRY,
            clock=clock.now,
            result_backend=lambda app: Results(app, settings.database_url, world.collect),
        )
        app.amqp.declared = declared = DeclaredOnce(app.topology, store)
        declared.declare(app.amqp.queues, app.connection_for_write)
        app.result_clock = one_look()
        app.pauses = pauses_of(clock)
        app.draw = _no_jitter
        app.limit_time = limit_virtual_time(clock)
        stack.callback(app.close)
        stack.callback(app.amqp.close_connections)
        world.put_to_work(app)
        stack.callback(world.close)
        stack.callback(_empty_results, app)
        stack.enter_context(client.using(app))
        stack.enter_context(listening(world.note_ended))

        priorities: dict[str, Any] = {}  # told before a call, which may wait for a commit

        def note_properties(headers: Any, properties: Any, **_: Any) -> None:
            priorities[headers["id"]] = properties.get("priority")

        def note_sent(sender: str, body: Any, headers: Any, routing_key: str, **_: Any) -> None:
            if client.current_app() is app:
                priority = priorities.pop(headers["id"], None)
                world.note_sent(sender, body, headers, priority, routing_key)

        for signal, receiver in (
            (signals.before_task_publish, note_properties),
            (signals.after_task_publish, note_sent),
        ):
            signal.connect(receiver, weak=False)
            stack.callback(signal.disconnect, receiver)
        yield world


@contextmanager
def _without_celerys_lines() -> Iterator[None]:
    """Leave out what Celery logs of each failure, as a worker does: the attempt's line says it."""
    tracer = logging.getLogger("celery.app.trace")

    def drop(record: logging.LogRecord) -> bool:
        return False

    tracer.addFilter(drop)
    try:
        yield
    finally:
        tracer.removeFilter(drop)


def _no_jitter() -> float:
    """A wait is the stated one: what a test names, and the same in each run of it."""
    return 0.0


def _empty_results(app: App) -> None:
    if "database" not in app.backend.__dict__:
        return  # nothing was stored or read
    from fw_core.database.tables import metadata

    deletes = "".join(f'DELETE FROM "{name}";' for name in metadata.tables)  # noqa: S608 - fw's

    def empty(connection: Any) -> None:  # one round to SQLite for all, which each test waits for
        connection.connection.driver_connection.executescript(f"BEGIN;{deletes}COMMIT;")

    app.backend.database.statement(empty, timeout=1)
