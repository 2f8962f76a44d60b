"""A store: every operation of the local broker, each one transaction.

It knows nothing of kombu. The clock is a parameter, so that a test can move it; nothing here waits
for time to pass, it only asks what time it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any, Final

from fw_core.broker.local import claims, due, inspection, owners, topology
from fw_core.broker.local.change import Change
from fw_core.broker.local.database import Database
from fw_core.broker.local.records import (
    Delivery,
    Draft,
    Letter,
    MessageView,
    QueueView,
)
from fw_core.broker.local.sealing import put, seal
from fw_core.broker.local.wakeup import ring

Clock = Callable[[], float]


class _Unknown(Enum):
    UNKNOWN = "unknown"


_UNKNOWN: Final = _Unknown.UNKNOWN


class Store:
    """Exchanges, queues and messages, in a file or in memory.

    Args:
        path: The file, shared with every process that names it; ``None`` keeps all in memory.
        name: How errors call it.
        clock: Gives the time in epoch seconds.
    """

    def __init__(
        self, path: Path | None = None, *, name: str = "memory", clock: Clock = time.time
    ) -> None:
        self.clock = clock
        self._database = Database(path, name=str(path or name))
        # What is in a file is changed by other processes; what is in memory by this one alone.
        self._remembers_due = path is None
        self._due: float | _Unknown | None = _UNKNOWN

    @contextmanager
    def _change(self) -> Generator[Change]:
        with self._database.writing() as db:
            self._due = _UNKNOWN
            change = Change(db, self.clock())
            yield change
            ports = change.ports()
        ring(ports)

    def start_like(self, other: Store) -> None:
        """Take over all that ``other`` holds; both are in memory, and nothing was done here yet."""
        with self._database.reading() as db, other._database.reading() as source:
            self._due = _UNKNOWN
            source.backup(db)

    # Topology.

    def declare_exchange(
        self,
        name: str,
        *,
        kind: str = "direct",
        durable: bool = True,
        auto_delete: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the exchange, or check that it is as described.

        Raises:
            UnequalError: it exists and differs.
        """
        with self._change() as change:
            topology.declare_exchange(
                change.db,
                name,
                kind=kind,
                durable=durable,
                auto_delete=auto_delete,
                arguments=arguments or {},
            )

    def has_exchange(self, name: str) -> bool:
        """Whether an exchange of this name exists."""
        with self._database.reading() as db:
            return topology.has_exchange(db, name)

    def delete_exchange(self, name: str, *, only_unused: bool = False) -> None:
        """Remove the exchange and its bindings, if it exists."""
        with self._change() as change:
            topology.delete_exchange(change.db, name, only_unused=only_unused)

    def declare_queue(
        self,
        name: str,
        *,
        durable: bool = True,
        auto_delete: bool = False,
        exclusive_owner: int | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the queue, or check that it is as described.

        Args:
            name: The queue's name.
            durable: Kept and compared; every queue survives here.
            auto_delete: Delete it when the last listener goes.
            exclusive_owner: Delete it when this owner goes.
            arguments: As for RabbitMQ. ``x-delivery-limit``, ``x-dead-letter-exchange``,
                ``x-dead-letter-routing-key``, ``x-message-ttl`` and ``x-expires`` are obeyed, the
                others kept and compared.

        Raises:
            UnequalError: it exists and differs.
        """
        with self._change() as change:
            topology.declare_queue(
                change.db,
                name,
                durable=durable,
                auto_delete=auto_delete,
                exclusive_owner=exclusive_owner,
                arguments=arguments or {},
                now=change.now,
            )

    def delete_queue(
        self, name: str, *, only_unused: bool = False, only_empty: bool = False
    ) -> int:
        """Remove the queue; return how many ready messages went with it."""
        with self._change() as change:
            try:
                queue = topology.queue_id(change.db, name)
            except topology.MissingError:
                return 0
            count = inspection.ready_count(change.db, queue)
            used = inspection.listener_count(change.db, queue)
            if (only_empty and count) or (only_unused and used):
                return 0
            topology.delete_queue(change.db, queue)
            return count

    def bind(self, queue: str, *, exchange: str, key: str = "") -> None:
        """Send what ``exchange`` takes under ``key`` to ``queue`` as well.

        Raises:
            MissingError: the exchange or the queue does not exist.
        """
        with self._change() as change:
            topology.bind(change.db, queue, exchange=exchange, key=key)

    def unbind(self, queue: str, *, exchange: str, key: str = "") -> None:
        """Take the binding away, if there is one."""
        with self._change() as change:
            topology.unbind(change.db, queue, exchange=exchange, key=key)

    # Messages in.

    def publish(self, draft: Draft, *, exchange: str = "", key: str) -> int:
        """Put the message into every queue it is routed to; return how many those are.

        Raises:
            MissingError: the exchange does not exist.
        """
        [reached] = self.publish_all([Letter(draft, exchange, key)])
        return reached

    def publish_all(self, letters: Iterable[Letter]) -> list[int]:
        """Publish all or none, in one transaction; return how many queues each one reached.

        Raises:
            MissingError: an exchange does not exist.
        """
        sealed = [seal(letter) for letter in letters]
        reached: list[int] = []
        with self._change() as change:
            for letter in sealed:
                targets = topology.route(change.db, letter.exchange, letter.key)
                for target in targets:
                    put(change, target, letter)
                reached.append(len(targets))
        return reached

    # Messages out.

    def register_owner(self) -> int:
        """Return a new owner, which lives until ``remove_owner`` or the end of this process."""
        with self._change() as change:
            return owners.register(change, self._database.locks)

    def remove_owner(self, owner: int, *, counted: bool = False) -> None:
        """Take the owner away; what it had goes back in line.

        Args:
            owner: From ``register_owner``.
            counted: As if its process had been killed: each message counts as delivered once.
        """
        try:
            with self._change() as change:
                owners.remove(change, owner, counted=counted)
        finally:
            # Even if the file failed us: then the next tick finds the owner dead.
            if self._database.locks is not None:
                self._database.locks.drop(owner)

    def listen(self, queue: str, *, owner: int, tag: str, port: int) -> None:
        """Ring ``port`` when a message in ``queue`` becomes ready.

        Raises:
            MissingError: the queue does not exist.
        """
        with self._change() as change:
            found = topology.queue_id(change.db, queue)
            owners.listen(change, queue=found, owner=owner, tag=tag, port=port)

    def unlisten(self, queue: str, *, owner: int, tag: str) -> None:
        """End what ``listen`` began; the last one to go takes an auto-delete queue along."""
        with self._change() as change:
            try:
                found = topology.queue_id(change.db, queue)
            except topology.MissingError:
                return
            owners.unlisten(change, queue=found, owner=owner, tag=tag)

    def claim(self, owner: int, queue: str, *, limit: int = 1, keep: bool = True) -> list[Delivery]:
        """Take up to ``limit`` messages that are ready now, high priority first, then in line.

        Args:
            owner: Whose they are until settled.
            queue: The queue's name.
            limit: At most so many.
            keep: Keep them until they are settled; otherwise they are gone at once.
        """
        self.advance()
        with self._database.reading() as db:
            self._due = _UNKNOWN  # what was taken expires no more
            return claims.claim(db, queue, owner=owner, limit=limit, keep=keep)

    def ack(self, owner: int, messages: Sequence[int]) -> None:
        """Remove the messages: they are done. Ids that are no longer ``owner``'s are ignored."""
        if len(messages) == 1:  # a single statement is a transaction already
            with self._database.reading() as db:
                claims.ack(db, messages, owner=owner)
        elif messages:
            with self._change() as change:
                claims.ack(change.db, messages, owner=owner)

    def reject(self, owner: int, messages: Sequence[int]) -> None:
        """Make dead letters of the messages."""
        with self._change() as change:
            claims.reject(change, messages, owner=owner)

    def requeue(self, owner: int, messages: Sequence[int]) -> None:
        """Put the messages back in line, counted: beyond the delivery limit they are dead."""
        with self._change() as change:
            claims.come_back(change, messages, owner=owner, counted=True)

    def give_back(self, owner: int, messages: Sequence[int]) -> None:
        """Put the messages back in line, not counted: they were never begun."""
        with self._change() as change:
            claims.come_back(change, messages, owner=owner, counted=False)

    # Time.

    def next_due(self) -> float | None:
        """Return when the clock next changes something: a delay ends or a message expires."""
        with self._database.reading() as db:
            if not self._remembers_due:
                return due.next_due(db)
            if self._due is _UNKNOWN:
                self._due = due.next_due(db)
            return self._due

    def advance(self) -> float | None:
        """Do what the clock asks for by now; return when it will ask next, if known."""
        upcoming = self.next_due()
        if upcoming is None or upcoming > self.clock():
            return upcoming
        with self._change() as change:
            due.advance(change)
            return due.next_due(change.db)

    def tick(self) -> float | None:
        """Do what must be done once a second: see who died, what is due, what nobody uses.

        Returns:
            When the clock will next change something, if known.
        """
        with self._database.reading() as db:
            locks = self._database.locks
            known = db.execute("SELECT id, pid FROM owner").fetchall() if locks else []
            unused = db.execute(
                "SELECT 1 FROM queue WHERE idle_since + lifetime <= ? LIMIT 1", (self.clock(),)
            ).fetchone()
        gone = owners.dead(known, locks) if locks else []
        if gone or unused:
            with self._change() as change:
                for owner in gone:
                    owners.remove(change, owner, counted=True)
                owners.remove_unused_queues(change)
        return self.advance()

    # For operators and tests.

    def queues(self) -> list[QueueView]:
        """Return every queue with its counts, by name."""
        with self._database.reading() as db:
            return inspection.queues(db, now=self.clock())

    def first_ready(self, *, besides: Collection[str] = ()) -> str | None:
        """Return the queue whose message has been ready longest; None if none is ready.

        Args:
            besides: Queues that do not count.
        """
        self.advance()
        with self._database.reading() as db:
            return inspection.first_ready(db, besides=besides)

    def messages(self, queue: str) -> list[MessageView]:
        """Return all messages of the queue, without taking them.

        Raises:
            MissingError: the queue does not exist.
        """
        with self._database.reading() as db:
            found = topology.queue_id(db, queue)
            return inspection.messages(db, found, queue, now=self.clock())

    def size(self, queue: str) -> tuple[int, int]:
        """Return how many messages are ready in the queue, and how many listen to it.

        Raises:
            MissingError: the queue does not exist.
        """
        with self._database.reading() as db:
            found = topology.queue_id(db, queue)
            return inspection.ready_count(db, found), inspection.listener_count(db, found)

    def ready_counts(self, queues: Collection[str]) -> dict[str, int]:
        """Return how many messages are ready now in those of ``queues`` that have any."""
        self.advance()
        with self._database.reading() as db:
            return inspection.ready_counts(db, queues)

    def purge(self, queue: str) -> int:
        """Remove the ready messages of the queue; return how many there were.

        Raises:
            MissingError: the queue does not exist.
        """
        self.advance()
        with self._change() as change:
            found = topology.queue_id(change.db, queue)
            return claims.purge(change.db, found)

    def close(self) -> None:
        """Let go of the file; a later use opens it again. What is in memory is gone."""
        self._database.close()
