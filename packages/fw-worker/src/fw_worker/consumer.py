"""Celery's consumer: what it cannot read is kept, and it starts with the topology declared."""

from __future__ import annotations

import logging
from typing import Any

from celery import bootsteps, signals
from celery.worker.consumer import Consumer
from celery.worker.consumer.connection import Connection

from fw_core.attempt.failure import AttemptFailed
from fw_core.errors import UnknownTaskMessage
from fw_worker.broker_connection import wait_for_broker
from fw_worker.broker_version import SayWhatTheBrokerCannot
from fw_worker.failures import store_failure
from fw_worker.heartbeat import beat_on

_logger = logging.getLogger("fw.worker")


class DeclareTopology(bootsteps.StartStopStep):  # type: ignore[misc]
    """Declares everything that messages of this worker's queues can pass through."""

    requires = (Connection,)

    def start(self, c: Any) -> None:
        """Declare on the consumer's own connection, before it consumes."""
        topology = c.app.topology
        with c.connection.channel() as channel:
            topology.declare_base(channel)
            for queue in c.app.amqp.queues:
                topology.declare_queue(channel, queue)


class WorkerConsumer(Consumer):  # type: ignore[misc]
    """Takes messages; none that cannot be run is thrown away."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]
        """The steps of a consumer, without Celery's own delayed delivery: wait queues do it."""

        default_steps = [
            step for step in Consumer.Blueprint.default_steps if "delayed_delivery" not in step
        ] + [DeclareTopology, SayWhatTheBrokerCannot]

    def __init__(self, *args: Any, worker_options: Any = None, **kwargs: Any) -> None:
        # Neighbourhood talk between workers costs a second at start and a fifth of the speed.
        quiet = {"without_mingle": True, "without_gossip": True}
        super().__init__(*args, worker_options={**(worker_options or {}), **quiet}, **kwargs)

    def ensure_connected(self, conn: Any) -> Any:
        """Wait for a broker that does not answer, in our words and never longer than needed."""
        wait_for_broker(conn, self.app.broker_url)
        self.first_connection_attempt = False
        return conn

    def register_with_event_loop(self, hub: Any) -> None:
        """Let the loop that takes the messages say that it turns."""
        super().register_with_event_loop(hub)
        beat_on(hub)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Keep what is not JSON as a dead letter; Celery would acknowledge it, that is lose it."""
        _logger.error("A message cannot be read and is kept as a dead letter: %s", exc)
        message.reject_log_error(_logger, self.connection_errors)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Keep what is no call of a task as a dead letter."""
        _logger.error("A message is no call of a task and is kept as a dead letter.")
        message.reject_log_error(_logger, self.connection_errors)
        signals.task_rejected.send(sender=self, message=message, exc=None)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Keep a call whose form is wrong as a dead letter."""
        _logger.error("A message has a wrong form and is kept as a dead letter: %s", exc)
        message.reject_log_error(_logger, self.connection_errors)
        signals.task_rejected.send(sender=self, message=message, exc=exc)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Keep a call of a task that this worker does not know, and store why it failed."""
        name = message.headers.get("task") or "?"
        task_id = message.headers.get("id")
        error = UnknownTaskMessage(name=name, known=self.app.registry)
        _logger.error("%s", error)
        failed = AttemptFailed.of(error, reason="the worker does not know the task")
        store_failure(
            self.pool,
            str(task_id),
            failed,
            {"id": task_id, "task": name, "retries": message.headers.get("retries") or 0},
            then=lambda: self.call_soon_ack(
                message.reject_log_error, _logger, self.connection_errors
            ),
        )
        signals.task_unknown.send(sender=self, message=message, exc=exc, name=name, id=task_id)
