"""A worker looks after itself: it says how it is, and connects again when nothing reaches it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from typing import Any

from amqp.exceptions import RecoverableConnectionError
from celery import bootsteps
from celery.worker import state as worker_state

from fw_core.broker.task import HARD_LIMIT_GRACE
from fw_worker.health import report
from fw_worker.health.collecting import Collecting
from fw_worker.health.probe import Probe, Suspicions
from fw_worker.health.watchdog import Watchdog
from fw_worker.taken import Taken, queue_of

TICK_SECONDS = 5.0
SILENT_SECONDS = 25.0
"""How long a report is believed without the next one."""

TICKS_A_ROUND = 2
SILENT_TICKS = 2

CONNECTING_TICKS = 24
"""Watchdog ticks for one try to connect: a resolver that does not answer takes long."""

_logger = logging.getLogger("fw.worker")


class SelfCare:
    """One worker's care for itself.

    Args:
        consumer: The worker's consumer.
        taken: The messages that came to it.
    """

    def __init__(self, consumer: Any, taken: Taken) -> None:
        self._consumer = consumer
        self._taken = taken
        self._path = report.health_file()
        self._watchdog = Watchdog(is_off=lambda: bool(consumer.controller.stopping.is_told))
        self._state: report.State = "connecting"
        self._since = self._said = time.time()
        self._last_message: float | None = None
        self._seen = 0
        self._ready: dict[str, int] = {}
        self._probe: Probe | None = None
        self._suspicions = Suspicions()
        self._suspicion = ""
        self._ticks = self._silent = 0
        self._collecting = Collecting(tick_seconds=TICK_SECONDS)
        if _is_solo(consumer.pool):
            self._stand_still_while_a_body_runs()

    def connecting(self) -> None:
        """It has no connection and tries to get one; called at least once for each try."""
        self._watchdog.start()
        self._watchdog.feed(CONNECTING_TICKS)
        self._enter("connecting")

    def sign(self) -> None:
        """It goes on, between being connected and taking messages."""
        self._watchdog.feed()

    def consuming(self, hub: Any) -> None:
        """It takes messages from now on."""
        self._begin_anew()
        if not self._consumer.app.is_local:
            self._probe = Probe(self._consumer.connection.connection, self._on_answer)
        self._watchdog.feed()
        self._enter("consuming")
        hub.call_repeatedly(TICK_SECONDS, self.tick)

    def ended(self) -> None:
        """It takes no more messages; its process ends now, or hangs."""
        self._watchdog.feed()
        if self._path is not None:
            report.remove(self._path)

    def tick(self) -> None:
        """The event loop turns.

        Raises:
            RecoverableConnectionError: nothing reaches it any more; it has to connect again.
        """
        self._watchdog.feed()
        if self._seen != self._taken.total:
            self._seen, self._last_message = self._taken.total, time.time()
        if self._consumer.controller.stopping.is_told:
            self._enter("stopping")
        elif wrong := self._wrong():
            raise RecoverableConnectionError(wrong)
        controller, topology = self._consumer.controller, self._consumer.app.topology
        self._collecting.tick(controller.collector, waiting=self._ready.get(topology.dead))
        self._say()

    def _wrong(self) -> str:
        self._ticks += 1
        topology = self._consumer.app.topology
        names = [*self._room(), topology.outcomes, topology.dead]
        if self._probe is None:  # the local transport has no connection that could be lost
            store = self._consumer.connection.default_channel.store
            self._ready = {view.name: view.ready for view in store.queues()}
            return ""
        # In ticks, not seconds: after a long body in this thread the answers are still to be read,
        # behind the messages that came before them.
        self._silent = self._silent + 1 if self._probe.owed and not self._probe.was_read() else 0
        if self._silent >= SILENT_TICKS:
            return "the broker does not answer any more"
        if self._ticks % TICKS_A_ROUND == 0 and not self._probe.owed:
            self._probe.ask(names)
        return self._suspicion

    def _on_answer(self, queue: str, ready: int, consumers: int) -> None:
        self._ready[queue] = ready
        most = self._room().get(queue)
        if most is None:
            return
        held = sum(queue_of(message) == queue for message in self._taken.unsettled())
        self._suspicion = self._suspicion or self._suspicions.hear(
            queue,
            ready=ready,
            consumers=consumers,
            came=self._taken.by_queue[queue],
            has_room=not most or held < most,
        )

    def _begin_anew(self) -> None:
        self._probe = None
        self._suspicions = Suspicions()
        self._suspicion = ""
        self._ticks = self._silent = 0
        self._ready.clear()

    def _room(self) -> Mapping[str, int]:
        """How many messages the broker may give it of each queue; 0: any number."""
        most: int = self._consumer.qos.value
        room = dict.fromkeys(self._queues(), most)
        workflows = self._consumer.workflows
        return room if workflows is None else {**room, **workflows.room}

    def _queues(self) -> list[str]:
        consumer = self._consumer.task_consumer
        return [queue.name for queue in consumer.queues] if consumer is not None else []

    def _enter(self, state: report.State) -> None:
        now = time.time()
        if state != self._state:
            self._state, self._since = state, now
            self._say()
        elif now - self._said >= TICK_SECONDS:
            self._say()

    def _say(self, lasting: float = SILENT_SECONDS) -> None:
        self._said = now = time.time()
        if self._path is None:
            return
        topology = self._consumer.app.topology
        running = len(worker_state.active_requests)
        try:
            report.write(
                self._path,
                report.Report(
                    worker=str(self._consumer.hostname),
                    pid=os.getpid(),
                    at=now,
                    until=now + lasting,
                    state=self._state,
                    since=self._since,
                    taken=self._taken.total,
                    redelivered=self._taken.redelivered,
                    last_message=self._last_message,
                    running=running,
                    prefetched=max(len(self._taken.unsettled()) - running, 0),
                    queues={
                        name.removeprefix(topology.prefix): self._ready.get(name)
                        for name in self._queues()
                    },
                    outcomes=self._ready.get(topology.outcomes),
                    dead=self._ready.get(topology.dead),
                    collector=self._collecting.report(self._consumer.controller.collector),
                ),
            )
        except OSError as error:  # the worker is well; whoever reads the file sees that it is old
            _logger.error("The health file cannot be written: %s", error)

    def _stand_still_while_a_body_runs(self) -> None:
        """In solo the loop itself runs the bodies: it is silent as long as the longest may take."""
        pool = self._consumer.pool
        run = pool.on_apply
        handles = self._consumer.app.registry.values()
        longest = max((handle.spec.timeout.total_seconds() for handle in handles), default=0.0)

        def on_apply(*args: Any, **options: Any) -> Any:
            self._watchdog.feed(None)
            self._say(lasting=longest + HARD_LIMIT_GRACE + SILENT_SECONDS)
            try:
                return run(*args, **options)
            finally:
                self._watchdog.feed()

        pool.on_apply = on_apply


def _is_solo(pool: Any) -> bool:
    return type(pool).__module__ == "celery.concurrency.solo"


class LookAfterYourself(bootsteps.StartStopStep):  # type: ignore[misc]
    """Begins to look when messages are taken, and says so when they are no more."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, c: Any) -> None:
        """The consumer is connected, and about to take messages."""
        c.selfcare.sign()

    def register_with_event_loop(self, c: Any, hub: Any) -> None:
        """From now on the event loop says how the worker is."""
        c.selfcare.consuming(hub)

    def stop(self, c: Any) -> None:
        """The connection is lost, or the worker ends."""
        if not c.controller.stopping.is_told:
            c.selfcare.connecting()

    def shutdown(self, c: Any) -> None:
        """The worker ends."""
        c.selfcare.ended()
