"""Celery's way out, replaced at its one narrow place: every message goes through the publisher.

Calls, canvas, retries, callbacks and ``send_task`` by name all end in ``send_task_message``. Here
it chooses the exchange, keeps delays in the broker and asks for a confirm.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from celery import signals
from celery.app.amqp import AMQP
from kombu import serialization
from kombu.connection import ConnectionPool
from kombu.exceptions import OperationalError
from kombu.pools import ProducerPool

from fw_core.broker import delays
from fw_core.broker.follow_up import is_follow_up
from fw_core.broker.holding import Outgoing, holder
from fw_core.broker.publish import Letter, Unconfirmed, publish
from fw_core.broker.rounds import LocalRound, Progress, Round
from fw_core.broker.topology import REST_HEADER, Declared
from fw_core.broker.window import Window
from fw_core.call.size import check_message_size
from fw_core.errors import MaybeSent, NotSent, SendError
from fw_core.urls import safe_url

if TYPE_CHECKING:
    from fw_core.broker.app import App

_round: ContextVar[Round | None] = ContextVar("fw_round", default=None)

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
    NO_CONNECTION = OperationalError
    """What Celery raises where the pool stays empty."""

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.declared = Declared(app.topology)
        self._own_pool: ProducerPool | None = None
        self._making_pool = threading.Lock()

    @property
    def producer_pool(self) -> Any:
        """Producers of this app alone: kombu's own are shared by URL, also across a fork."""
        pool = self._own_pool
        if pool is not None:
            return pool
        with self._making_pool:  # two threads that send first must not make two pools
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

    def renew_after_fork(self) -> Any:
        """In a child: another thread of the parent may have held the lock; returns the old pool."""
        self._making_pool = threading.Lock()
        return self.forget_connections()

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
            fw_deadline: float | None = None,
            retry: Any = None,
            retry_policy: Any = None,
            delivery_mode: Any = None,
            compression: Any = None,
            declare: Any = None,
            exchange_type: Any = None,
            timeout: Any = None,
            confirm_timeout: Any = None,
            expiration: Any = None,
            mandatory: Any = None,
            immediate: Any = None,
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
            if not is_follow_up():  # too large a result fails in the next step's attempt
                check_message_size(name, body, len(encoded), limit=self.app.settings.message_limit)
            message = Outgoing(
                app=self.app,
                task=name,
                task_id=own_headers["id"],
                queue=name_on_broker,
                due=fw_due,
                exact=fw_exact,
                payload=body,
                body=encoded,
                content_type=content_type,
                content_encoding=content_encoding,
                headers=own_headers,
                properties=own_properties,
                sent_event=sent_event,
            )
            keeper = holder()
            if keeper is not None:
                keeper.hold([message])
            else:
                self.send(producer, message, deadline=fw_deadline, dispatcher=event_dispatcher)

        return send_task_message

    def send(
        self,
        producer: Any,
        message: Outgoing,
        *,
        deadline: float | None = None,
        dispatcher: Any = None,
    ) -> None:
        """Publish a message, as part of the round that this is in, or by itself.

        Raises:
            NotSent, MaybeSent: it is not known to be queued.
        """
        letter = self.letter(
            queue=message.queue,
            due=message.due,
            exact=message.exact,
            body=message.body,
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            headers=message.headers,
            properties=message.properties,
        )
        round_ = _round.get()
        if round_ is not None:
            round_.publish(letter)
        else:
            try:
                self.post(producer, letter, deadline=deadline)
            except Unconfirmed as error:
                raise self._send_error(error, {message.task_id: message.task}) from error
        if signals.after_task_publish.receivers:
            signals.after_task_publish.send(
                sender=message.task,
                body=message.payload,
                headers=message.headers,
                exchange=letter.exchange,
                routing_key=message.queue,
            )
        if message.sent_event:
            event = {
                **message.sent_event,
                "queue": message.queue,
                "exchange": letter.exchange,
                "routing_key": message.queue,
            }
            dispatcher = dispatcher or self._event_dispatcher
            dispatcher.publish("task-sent", event, producer, retry=False)

    def send_all(self, messages: Sequence[Outgoing]) -> None:
        """Publish messages that were held for a transaction that has been committed.

        Raises:
            NotSent, MaybeSent: not all of them are known to be queued.
        """
        deadline = time.monotonic() + self.app.settings.send_timeout
        calls = {message.task_id: message.task for message in messages}
        try:
            with self.app.producer_or_acquire() as producer:
                if len(messages) == 1:
                    self.send(producer, messages[0], deadline=deadline)
                    return
                with self.one_round(producer, calls):
                    for message in messages:
                        self.send(producer, message)
        except SendError as error:
            raise error.after_commit() from error.__cause__
        except OperationalError as error:
            raise self.app.busy(calls).after_commit() from error

    def letter(
        self, *, queue: str, due: datetime | None, exact: bool = True, **message: Any
    ) -> Letter:
        """Address a message: to its queue, or to the wait queue on the way there.

        Args:
            queue: The queue's name on the broker.
            due: When it may start at the earliest; None: now.
            exact: Whether the delay is kept to a tenth of a second, if need be by sending it on; a
                retry's wait is rounded up to what two wait queues can do.
            **message: Body, headers and properties.
        """
        topology = self.app.topology
        seconds = 0.0 if due is None else (due - self.app.now()).total_seconds()
        if seconds <= 0 or self.app.is_local:
            return Letter(queue=queue, exchange=topology.tasks, wait_ms=None, **message)
        long_ms, wait_ms = delays.way(seconds, exact=exact)
        if long_ms is None:
            return Letter(queue=queue, exchange=topology.wait(wait_ms), wait_ms=wait_ms, **message)
        message["headers"] = {**message["headers"], REST_HEADER: str(wait_ms)}
        return Letter(
            queue=queue,
            exchange=topology.long_wait(long_ms),
            wait_ms=wait_ms,
            long_ms=long_ms,
            **message,
        )

    def post(self, producer: Any, letter: Letter, *, deadline: float | None = None) -> None:
        """Publish and wait for the confirm; without a deadline as long as the settings say.

        Raises:
            Unconfirmed: see :func:`fw_core.broker.publish.publish`.
        """
        if deadline is None:
            deadline = time.monotonic() + self.app.settings.send_timeout
        publish(
            producer,
            letter,
            declared=self.declared,
            deadline=deadline,
            sleep=self.app.pauses.sleep,
        )

    def post_all(self, producer: Any, letters: Sequence[Letter]) -> None:
        """Publish several messages and wait for all of their confirms.

        Raises:
            Unconfirmed: not every one was confirmed; holds those that were, those in doubt and
                those that were refused.
        """
        round_ = self._new_round(producer)
        with round_:
            for letter in letters:
                round_.publish(letter)

    @contextmanager
    def one_round(
        self, producer: Any, calls: Mapping[str, str], *, progress: Progress | None = None
    ) -> Iterator[None]:
        """Send everything inside the block in one confirmed round.

        Args:
            producer: Gives the connection.
            calls: The ids of all calls of the round, in order, with the names of their tasks.
            progress: Told now and then how many calls are confirmed.

        Raises:
            NotSent, MaybeSent: not every call was confirmed; says which were.
        """
        round_ = self._new_round(producer, progress=progress, is_brief=True)
        try:
            with round_:
                token = _round.set(round_)
                try:
                    yield
                finally:
                    _round.reset(token)
        except Unconfirmed as error:
            raise self._send_error(
                error,
                calls,
                confirmed={str(letter.headers["id"]) for letter in round_.confirmed},
                in_doubt={str(letter.headers["id"]) for letter in round_.in_doubt},
            ) from error

    def _new_round(
        self, producer: Any, *, progress: Progress | None = None, is_brief: bool = False
    ) -> Round:
        if self.app.is_local:
            return LocalRound(lambda letter: self.post(producer, letter), progress)
        seconds = self.app.settings.send_timeout
        return Window(producer, self.declared, seconds, progress=progress, is_brief=is_brief)

    def _queue_name(self, queue: Any, routing_key: str | None) -> str:
        if queue is not None:
            return cast(str, getattr(queue, "name", queue))
        return routing_key or cast(str, self.app.conf.task_default_queue)

    def _send_error(
        self,
        error: Unconfirmed,
        calls: Mapping[str, str],
        *,
        confirmed: set[str] | None = None,
        in_doubt: set[str] | None = None,
    ) -> NotSent | MaybeSent:
        if in_doubt is None:
            in_doubt = set(calls) if error.maybe else set()
        cls = MaybeSent if in_doubt else NotSent
        return cls(
            calls=calls,
            confirmed=confirmed or set(),
            in_doubt=in_doubt,
            broker=safe_url(self.app.broker_url),
            cause=error.cause,
            fix=error.fix,
            is_final=error.is_final,
        )
