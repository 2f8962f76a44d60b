"""The contract between producer and worker: exchanges and queues, and how they are declared.

::

    task ──▶ fw.tasks (topic) ──▶ <queue> ──▶ worker
                                    ▲   └─ rejected, or delivered too often ──▶ fw.dead
                                    │
    delay ─▶ fw.wait.<ms> ─(expires)─▶ fw.due (topic) ─(no such queue)─▶ fw.dead
                 ▲
    long delay ─▶ fw.long.<ms> ─(expires)─▶ fw.rest (headers)

Whoever comes first declares it: a call that meets a fresh broker, or a worker. Facts from
RabbitMQ's documentation of quorum queues: at-least-once dead-lettering asks for
``x-overflow=reject-publish``; ``x-delivery-limit`` counts deliveries, not runs, so it is a high
backstop; 4.0 drops a message after 20 deliveries where no limit is set, so the dead-letter queue,
which must drop nothing, sets one it cannot reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from kombu import Exchange, Queue
from kombu.transport import pyamqp

DELIVERY_LIMIT: Final = 20
MOST_OUTCOMES: Final = 10_000
_NO_LIMIT: Final = 2_000_000_000

REST_HEADER: Final = "fw-rest"
"""The milliseconds that a message still waits when it leaves a long wait queue."""


@dataclass(frozen=True, slots=True)
class Topology:
    """Names on the broker, each behind ``prefix``."""

    prefix: str = ""

    @property
    def tasks(self) -> str:
        """The exchange that calls are sent to."""
        return f"{self.prefix}fw.tasks"

    @property
    def due(self) -> str:
        """The exchange that delayed messages come back through."""
        return f"{self.prefix}fw.due"

    @property
    def dead(self) -> str:
        """The exchange and the queue of dead letters."""
        return f"{self.prefix}fw.dead"

    @property
    def outcomes(self) -> str:
        """The queue of outcomes that the database could not take when they came."""
        return f"{self.prefix}fw.outcomes"

    def wait(self, milliseconds: int) -> str:
        """The exchange and the queue of a delay."""
        return f"{self.prefix}fw.wait.{milliseconds}"

    def long_wait(self, milliseconds: int) -> str:
        """The exchange and the queue of the longer part of a delay."""
        return f"{self.prefix}fw.long.{milliseconds}"

    def is_wait(self, name: str) -> bool:
        """Whether a queue is one that messages wait in, by its name on the broker."""
        return name.startswith((f"{self.prefix}fw.wait.", f"{self.prefix}fw.long."))

    @property
    def rest(self) -> str:
        """The exchange from a long wait queue to the wait queue of what is left."""
        return f"{self.prefix}fw.rest"

    def queue_name(self, queue: str) -> str:
        """The name on the broker of one of the team's queues."""
        return self.prefix + queue

    def task_queue(self, queue: str) -> Queue:
        """One of the team's queues."""
        name = self.queue_name(queue)
        return Queue(
            name,
            exchange=Exchange(self.tasks, type="topic", durable=True),
            routing_key=name,
            durable=True,
            queue_arguments={
                "x-queue-type": "quorum",
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": self.dead,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            },
        )

    def dead_queue(self) -> Queue:
        """Where every message ends that no worker will run again."""
        return Queue(
            self.dead,
            exchange=Exchange(self.dead, type="fanout", durable=True),
            durable=True,
            queue_arguments={"x-queue-type": "quorum", "x-delivery-limit": _NO_LIMIT},
        )

    def outcomes_queue(self) -> Queue:
        """Where outcomes wait for the database, a limited number of them.

        When it is full it refuses more, and whoever has an outcome keeps it: a worker that cannot
        say how its tasks ended takes no more of them.
        """
        return Queue(
            self.outcomes,
            exchange=Exchange(self.outcomes, type="fanout", durable=True),
            durable=True,
            queue_arguments={
                "x-queue-type": "quorum",
                "x-delivery-limit": _NO_LIMIT,
                "x-max-length": MOST_OUTCOMES,
                "x-overflow": "reject-publish",
            },
        )

    def wait_queue(self, milliseconds: int) -> Queue:
        """Where messages wait ``milliseconds``.

        It never expires: RabbitMQ counts a queue without a consumer as unused, whatever is sent
        to it or declared, and takes its messages along. There are at most as many as steps.
        """
        return self._waiting(self.wait(milliseconds), milliseconds, then=self.due)

    def long_wait_queue(self, milliseconds: int) -> Queue:
        """Where messages wait ``milliseconds`` before they wait for the rest in a wait queue.

        Two kinds, because RabbitMQ drops a message that expires in one queue twice.
        """
        return self._waiting(self.long_wait(milliseconds), milliseconds, then=self.rest)

    def _waiting(self, name: str, milliseconds: int, *, then: str) -> Queue:
        return Queue(
            name,
            exchange=Exchange(name, type="fanout", durable=True),
            durable=True,
            queue_arguments={
                "x-queue-type": "quorum",
                "x-message-ttl": milliseconds,
                "x-dead-letter-exchange": then,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            },
        )

    def declare_base(self, channel: Any) -> None:
        """Declare what every message may need: the exchanges, and the queues of the framework."""
        self.dead_queue()(channel).declare()
        self.outcomes_queue()(channel).declare()
        Exchange(self.tasks, type="topic", durable=True)(channel).declare()
        Exchange(self.due, type="topic", durable=True, arguments={"alternate-exchange": self.dead})(
            channel
        ).declare()
        if isinstance(channel, pyamqp.Channel):  # the local transport has no wait queues
            self._declare_rest(channel)

    def _declare_rest(self, channel: Any) -> None:
        due = {"alternate-exchange": self.due}  # a rest without a queue is waited for by a worker
        Exchange(self.rest, type="headers", durable=True, arguments=due)(channel).declare()

    def declare_queue(self, channel: Any, name: str) -> None:
        """Declare one of the team's queues, by its name on the broker, behind both exchanges."""
        queue = self.task_queue(name.removeprefix(self.prefix))(channel)
        queue.declare()
        queue.bind_to(self.due, name)

    def declare_wait(self, channel: Any, milliseconds: int) -> None:
        """Declare the queue of a delay."""
        self.wait_queue(milliseconds)(channel).declare()

    def declare_long_wait(self, channel: Any, milliseconds: int, rest: int) -> None:
        """Declare the queue of the longer part of a delay, and the way to that of the rest."""
        wait = self.wait_queue(rest)(channel)
        wait.declare()
        wait.bind_to(self.rest, arguments={"x-match": "all", REST_HEADER: str(rest)})
        self.long_wait_queue(milliseconds)(channel).declare()


class Declared:
    """What has been declared on each connection, so that a call declares a thing once."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._seen: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()

    def ensure(
        self,
        connection: Any,
        channel: Any,
        *,
        queue: str | None,
        wait_ms: int | None,
        long_ms: int | None = None,
    ) -> None:
        """Declare what a message to ``queue`` needs and this connection has not declared.

        Args:
            connection: The transport's connection; a new one starts from nothing.
            channel: A channel of it.
            queue: The team's queue, by its name on the broker; None: only the framework's own.
            wait_ms: The delay whose queue is needed too.
            long_ms: The longer part of it, whose queue is needed too.
        """
        seen = self._seen.setdefault(connection, set())
        if "" not in seen:
            self._topology.declare_base(channel)
            seen.add("")
        if queue is not None and queue not in seen:
            self._topology.declare_queue(channel, queue)
            seen.add(queue)
        if wait_ms is None:
            return
        wait = self._topology.wait(wait_ms)
        if long_ms is None:
            if wait not in seen:
                self._topology.declare_wait(channel, wait_ms)
                seen.add(wait)
            return
        long, rest = self._topology.long_wait(long_ms), f"{wait} by {self._topology.rest}"
        if not {long, rest} <= seen:
            self._topology.declare_long_wait(channel, long_ms, wait_ms)
            seen.update((long, wait, rest))

    def has(
        self, connection: Any, *, queue: str | None, wait_ms: int | None, long_ms: int | None = None
    ) -> bool:
        """Whether :meth:`ensure` would find nothing to declare."""
        seen = self._seen.get(connection)
        if not seen or (queue is not None and queue not in seen):
            return False
        if wait_ms is None:
            return True
        wait = self._topology.wait(wait_ms)
        if long_ms is None:
            return wait in seen
        return {self._topology.long_wait(long_ms), f"{wait} by {self._topology.rest}"} <= seen

    def forget(self, connection: Any) -> None:
        """Declare everything again on the next message: something was deleted meanwhile."""
        self._seen.pop(connection, None)
