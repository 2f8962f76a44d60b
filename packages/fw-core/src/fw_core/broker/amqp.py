"""Celery's way out, replaced at its one narrow place: every message goes through the publisher.

Calls, canvas, retries, callbacks and ``send_task`` by name all end in ``send_task_message``. Here
it chooses the exchange, keeps delays in the broker and asks for a confirm.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from celery import signals
from celery.app.amqp import AMQP
from kombu import serialization
from kombu.connection import ConnectionPool
from kombu.pools import ProducerPool

from fw_core.broker import delays
from fw_core.broker.publish import Letter, Unconfirmed, publish
from fw_core.broker.topology import Declared
from fw_core.broker.window import Window
from fw_core.errors import MaybeSent, NotSent
from fw_core.urls import safe_url

if TYPE_CHECKING:
    from fw_core.broker.app import App

_window: ContextVar[Window | None] = ContextVar("fw_window", default=None)

BROKER_DEATH_HEADERS = frozenset(
    {
        "x-death",
        "x-delivery-count",
        "x-first-death-exchange",
        "x-first-death-queue",
        "x-first-death-reason",
        "x-last-death-exchange",
        "x-last-death-queue",
        "x-last-death-reason",
    }
)
"""What RabbitMQ writes on a message; sent again with them, 3.10 can drop it in silence."""


class FrameworkAMQP(AMQP):  # type: ignore[misc]
    """The app's messages: confirmed, routed, delayed in the broker."""

    app: App

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.declared = Declared(app.topology)
        self._own_pool: ProducerPool | None = None

    @property
    def producer_pool(self) -> Any:
        """Producers of this app alone: kombu's own are shared by URL, also across a fork."""
        if self._own_pool is None:
            connections = ConnectionPool(
                self.app.connection_for_write(), limit=self.app.conf.broker_pool_limit
            )
            self._own_pool = ProducerPool(connections, limit=self.app.conf.broker_pool_limit)
        return self._own_pool

    publisher_pool = producer_pool

    def forget_connections(self) -> Any:
        """Leave the connections as they are and make new ones when needed; returns the old pool."""
        pool, self._own_pool = self._own_pool, None
        return pool

    def close_connections(self) -> None:
        """Close what is idle in the pool."""
        pool = self.forget_connections()
        if pool is not None:
            pool.force_close_all()
            pool.connections.force_close_all()

    def _create_task_sender(self) -> Any:
        def send_task_message(
            producer: Any,
            name: str,
            message: Any,
            exchange: Any = None,
            routing_key: str | None = None,
            queue: Any = None,
            event_dispatcher: Any = None,
            serializer: str | None = None,
            headers: dict[str, Any] | None = None,
            fw_due: datetime | None = None,
            fw_exact: bool = True,
            retry: Any = None,
            retry_policy: Any = None,
            delivery_mode: Any = None,
            compression: Any = None,
            declare: Any = None,
            exchange_type: Any = None,
            timeout: Any = None,
            confirm_timeout: Any = None,
            expiration: Any = None,
            **properties: Any,
        ) -> None:
            own_headers, own_properties, body, sent_event = message
            own_headers.update(headers or {})
            own_properties.update(properties)
            own_properties["message_id"] = str(uuid.uuid4())
            if fw_due is not None:
                own_headers["eta"] = fw_due.isoformat()
            name_on_broker = self._queue_name(queue, routing_key)
            signals.before_task_publish.send(
                sender=name,
                body=body,
                exchange=self.app.topology.tasks,
                routing_key=name_on_broker,
                declare=[],
                headers=own_headers,
                properties=own_properties,
                retry_policy={},
            )
            content_type, content_encoding, encoded = serialization.dumps(
                body, serializer or self.app.conf.task_serializer
            )
            letter = self.letter(
                queue=name_on_broker,
                due=fw_due,
                exact=fw_exact,
                body=encoded,
                content_type=content_type,
                content_encoding=content_encoding,
                headers=own_headers,
                properties=own_properties,
            )
            window = _window.get()
            try:
                if window is not None:
                    window.publish(letter)
                else:
                    self.post(producer, letter)
            except Unconfirmed as error:
                raise self._send_error(error, name, own_headers["id"]) from error
            signals.after_task_publish.send(
                sender=name,
                body=body,
                headers=own_headers,
                exchange=letter.exchange,
                routing_key=name_on_broker,
            )
            if sent_event:
                sent_event.update(
                    queue=name_on_broker, exchange=letter.exchange, routing_key=name_on_broker
                )
                dispatcher = event_dispatcher or self._event_dispatcher
                dispatcher.publish("task-sent", sent_event, producer, retry=False)

        return send_task_message

    def letter(
        self, *, queue: str, due: datetime | None, exact: bool = True, **message: Any
    ) -> Letter:
        """Address a message: to its queue, or to the wait queue on the way there.

        Args:
            queue: The queue's name on the broker.
            due: When it may start at the earliest; None: now.
            exact: Whether the delay is kept to a tenth of a second, if need be by several wait
                queues; a retry's wait is rounded up to a single one.
            **message: Body, headers and properties.
        """
        topology = self.app.topology
        seconds = 0.0 if due is None else (due - self.app.now()).total_seconds()
        if seconds <= 0 or self.app.is_local:
            return Letter(queue=queue, exchange=topology.tasks, wait_ms=None, **message)
        wait = delays.step_towards(seconds) if exact else delays.step_above(seconds)
        return Letter(queue=queue, exchange=topology.wait(wait), wait_ms=wait, **message)

    def post(self, producer: Any, letter: Letter) -> None:
        """Publish and wait for the confirm.

        Raises:
            Unconfirmed: see :func:`fw_core.broker.publish.publish`.
        """
        publish(producer, letter, declared=self.declared, seconds=self.app.settings.send_timeout)

    def post_all(self, producer: Any, letters: Sequence[Letter]) -> None:
        """Publish several messages and wait for all of their confirms.

        Raises:
            Unconfirmed: not every one was confirmed.
        """
        if self.app.is_local:
            for letter in letters:
                self.post(producer, letter)
            return
        with Window(producer, self.declared, self.app.settings.send_timeout) as window:
            for letter in letters:
                window.publish(letter)

    @contextmanager
    def one_round(self, producer: Any, task: str) -> Iterator[None]:
        """Send everything inside the block in one confirmed round.

        Raises:
            NotSent, MaybeSent: not every message was confirmed; a note says how many were.
        """
        if self.app.is_local:  # a message is stored when it has been published
            yield
            return
        window = Window(producer, self.declared, self.app.settings.send_timeout)
        try:
            with window:
                token = _window.set(window)
                try:
                    yield
                finally:
                    _window.reset(token)
        except (Unconfirmed, NotSent, MaybeSent) as error:
            if isinstance(error, Unconfirmed):
                unsure = next(iter([*window.refused, *window.owed.values()]), "?")
                error = self._send_error(error, task, unsure)
            error.add_note(f"{window.confirmed} calls of this round were confirmed before.")
            raise error from None

    def _queue_name(self, queue: Any, routing_key: str | None) -> str:
        if queue is not None:
            return cast(str, getattr(queue, "name", queue))
        return routing_key or cast(str, self.app.conf.task_default_queue)

    def _send_error(self, error: Unconfirmed, task: str, task_id: str) -> NotSent | MaybeSent:
        cls = MaybeSent if error.maybe else NotSent
        return cls(
            task=task,
            task_id=task_id,
            broker=safe_url(self.app.broker_url),
            cause=error.cause,
        )
