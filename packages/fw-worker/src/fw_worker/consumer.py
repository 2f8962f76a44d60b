"""Celery's consumer: what it cannot read is kept, and it starts with the topology declared."""

from __future__ import annotations

import logging
from typing import Any

from amqp.exceptions import RecoverableConnectionError
from billiard import get_start_method  # pyright: ignore[reportAttributeAccessIssue] - set there
from celery import bootsteps, signals
from celery.platforms import EX_OK
from celery.worker import state
from celery.worker.consumer import Consumer
from celery.worker.consumer.connection import Connection
from vine import promise

from fw_core.attempt.failure import describe
from fw_core.attempt.outcome import Cause
from fw_core.errors import FrameworkError, UnknownTaskMessage, UnreadableMessage
from fw_worker.ahead.acks import Acks
from fw_worker.ahead.dispatcher import Dispatcher
from fw_worker.ahead.reading import Reader
from fw_worker.broker_connection import wait_for_broker
from fw_worker.broker_version import SayWhatTheBrokerCannot
from fw_worker.dead_letters.death import Death
from fw_worker.health.selfcare import LookAfterYourself, SelfCare
from fw_worker.in_pool import bury_in_pool
from fw_worker.odd_timestamps import tolerate_odd_timestamps
from fw_worker.raw import Raw
from fw_worker.starting import SOLO_HEARTBEAT
from fw_worker.stopping import Stopping
from fw_worker.workflow_messages.inbox import Inbox
from fw_worker.workflow_messages.step import TakeWorkflows

_logger = logging.getLogger("fw.worker")

_BOUNDED_EVENTS = {"read_timeout": 2, "write_timeout": 1}


class DeclareTopology(bootsteps.StartStopStep):  # type: ignore[misc]
    """Declares everything that messages of this worker's queues can pass through."""

    requires = (Connection,)

    def start(self, c: Any) -> None:
        """Declare on the consumer's own connection, before it consumes."""
        topology, workflows = c.app.topology, c.app.settings.workflow_queue
        names = [*c.app.amqp.queues, *([topology.queue_name(workflows)] if workflows else [])]
        with c.connection.channel() as channel:
            topology.declare_base(channel)
            for name in names:
                c.selfcare.sign()
                topology.declare_queue(channel, name)


class WorkerConsumer(Consumer):  # type: ignore[misc]
    """Takes messages; none that cannot be run is thrown away."""

    task_consumer: Any
    on_task_request: Any
    qos: Any
    _maximum_prefetch_restored: bool
    ahead: Dispatcher | None = None
    workflows: Inbox | None = None

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]
        """The steps of a consumer, without Celery's own delayed delivery: wait queues do it."""

        default_steps = [
            step for step in Consumer.Blueprint.default_steps if "delayed_delivery" not in step
        ] + [DeclareTopology, SayWhatTheBrokerCannot, TakeWorkflows, LookAfterYourself]

    def __init__(self, *args: Any, worker_options: Any = None, **kwargs: Any) -> None:
        tolerate_odd_timestamps()
        # Neighbourhood talk between workers costs a second at start and a fifth of the speed.
        quiet = {"without_mingle": True, "without_gossip": True}
        if type(kwargs.get("pool")).__module__ == "celery.concurrency.solo":
            kwargs["amqheartbeat"] = SOLO_HEARTBEAT
        super().__init__(*args, worker_options={**(worker_options or {}), **quiet}, **kwargs)
        self._process, self.on_task_request = self.on_task_request, self._on_task_request
        self.selfcare = SelfCare(self, self._stopping.taken)

    def ensure_connected(self, conn: Any) -> Any:
        """Wait for a broker that does not answer, in our words and never longer than needed."""
        self.selfcare.connecting()
        wait_for_broker(conn, self.app.broker_url, self._meanwhile)
        self.selfcare.sign()
        self.first_connection_attempt = False
        return conn

    def connect(self) -> Any:
        """Connect to where messages come from, and read there in large pieces."""
        connection = super().connect()
        plain = connection.connection
        # In solo the loop's own turns are between two bodies: there it takes one message in each.
        if self.hub is not None and not self._is_solo and Reader.can_read(plain):
            self.hub.remove_reader(plain.sock)
            self.hub.add_reader(plain.sock, Reader(plain).on_readable)
        return connection

    def connection_for_write(self, url: Any = None, heartbeat: Any = None) -> Any:
        """The connection for events, which are published where messages are taken.

        So that a broker which is silent or in alarm does not hold these up, nobody waits for a
        confirm there, or long for anything.
        """
        bounded = {"confirm_publish": False, **_BOUNDED_EVENTS}
        options = {} if self.app.is_local else {"transport_options": bounded}
        connection = self.app.connection_for_write(url=url, heartbeat=heartbeat, **options)
        return self.ensure_connected(connection)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Connect again; a worker that was told to stop does not, and ends instead."""
        if self._stopping.is_told:
            state.should_stop = EX_OK
        super().on_connection_error_after_connected(exc)

    def register_with_event_loop(self, hub: Any) -> None:
        """Count what comes, from the first message on, and send ahead to processes."""
        super().register_with_event_loop(hub)
        if self.ahead is None and self._can_send_ahead:
            self.ahead = Dispatcher(self.controller, hub)
        if self.ahead is not None:
            self.ahead.listen()
        if not self.app.is_local:
            Acks(
                self.task_consumer.channel,
                soon=hub.call_soon,
                at_once=lambda: self._is_solo or self._stopping.is_told,
                errors=self.connection_errors,
            )
        taken, consumer = self._stopping.taken, self.task_consumer
        taken.forget()
        consumer.on_message = taken.counting(consumer.on_message)

    def create_task_handler(self, promise: Any = promise) -> Any:
        """Celery's, which settles a message in the loop's next turn; here it is said at once.

        What is said is collected until then anyway, see :class:`Acks`.
        """
        settling: Any = self._settling
        return super().create_task_handler(promise=settling)

    def _settling(self, call_soon: Any, args: tuple[Any], on_error: Any = None) -> Any:
        is_usual = self.ahead is not None and self._maximum_prefetch_restored
        return args[0] if is_usual else promise(call_soon, args, on_error=on_error)

    def on_close(self) -> None:
        """The connection is gone: the broker gives what was not begun to whoever is there."""
        if self.ahead is not None:
            self.ahead.clear()
        super().on_close()

    def fetch(self, count: int) -> None:
        """Have up to so many messages here at a time, from now on.

        RabbitMQ takes a new limit for consumers that begin after it (basic.qos, not global).

        Raises:
            OSError, RecoverableConnectionError: the connection is lost, or is to be made anew.
        """
        try:
            self.task_consumer.cancel()
            self.qos.value = count
            self.qos.update()
            self.task_consumer.consume()
        except self.channel_errors as error:  # a channel that was closed consumes no more
            raise RecoverableConnectionError(str(error)) from error

    def _on_task_request(self, request: Any) -> None:
        if self.ahead is None:
            self._process(request)
        else:
            self.ahead.add(request)

    @property
    def _is_solo(self) -> bool:
        return type(self.pool).__module__ == "celery.concurrency.solo"

    @property
    def _can_send_ahead(self) -> bool:
        """Whether processes share memory with this one, and are not counted by what they run."""
        return (
            type(self.pool).__module__ == "celery.concurrency.prefork"
            and get_start_method() == "fork"
            and not self.controller.max_tasks_per_child
        )

    def _meanwhile(self) -> None:
        self.selfcare.connecting()
        self._stopping.meanwhile()

    @property
    def _stopping(self) -> Stopping:
        stopping: Stopping = self.controller.stopping
        return stopping

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Keep what is not JSON as a dead letter; Celery would acknowledge it, that is lose it."""
        _logger.error("A message cannot be read and is kept as a dead letter: %s", exc)
        self._bury(message, UnreadableMessage(cause=str(exc)), Cause.UNREADABLE)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Keep what is no call of a task as a dead letter."""
        error = UnreadableMessage(cause="it is no call of a task")
        _logger.error("A message is no call of a task and is kept as a dead letter.")
        self._bury(message, error, Cause.UNREADABLE)
        signals.task_rejected.send(sender=self, message=message, exc=None)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Keep a call whose form is wrong as a dead letter."""
        _logger.error("A message has a wrong form and is kept as a dead letter: %s", exc)
        self._bury(message, UnreadableMessage(cause=str(exc)), Cause.UNREADABLE)
        signals.task_rejected.send(sender=self, message=message, exc=exc)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Keep a call of a task that this worker does not know, and store why it failed."""
        name = str(message.headers.get("task") or "?")
        error = UnknownTaskMessage(name=name, known=self.app.registry)
        _logger.error("%s", error)
        self._bury(message, error, Cause.UNKNOWN_TASK)
        task_id = message.headers.get("id")
        signals.task_unknown.send(sender=self, message=message, exc=exc, name=name, id=task_id)

    def _bury(self, message: Any, error: FrameworkError, cause: Cause) -> None:
        raw = Raw.of_message(message)
        death = Death(
            cause=cause,
            reason=_REASONS[cause],
            error=describe(error),
            at=self.app.now(),
            attempts=0,
            queue=raw.queue.removeprefix(self.app.topology.prefix),
            worker=self.hostname,
        )

        def then(is_buried: bool) -> None:
            # A rejected message reaches the dead letters too, without these facts.
            settle = message.ack_log_error if is_buried else message.reject_log_error
            self.call_soon_ack(settle, _logger, self.connection_errors)

        bury_in_pool(self.pool, raw, death, then=then)


_REASONS = {
    Cause.UNREADABLE: "it cannot be read as a call",
    Cause.UNKNOWN_TASK: "the worker does not know the task",
}
