"""The deterministic worker: production's consume and settle with another hand on the crank.

It takes a real message from the in-memory broker and gives it to the worker's own consumer,
strategy and request and to Celery's tracer, one message at a time, on one thread, in virtual time.
Nothing of it is written a second time here, or the fake could lie.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from billiard.einfo import ExceptionInfo
from celery import _state
from celery.concurrency.base import BasePool, apply_target
from celery.exceptions import WorkerLostError
from celery.worker import state as worker_state

from fw_core.broker.app import App
from fw_core.broker.local import Store
from fw_testing.isolation import Isolation
from fw_testing.same_code import code_copied_once
from fw_worker.consumer import WorkerConsumer
from fw_worker.time_limit import Killed


class ProcessDied(BaseException):
    """Raised in an attempt whose process would be gone in a real pool, which then reports it."""


class DeterministicWorker:
    """Runs the messages of an in-memory broker, one when it is told to.

    Args:
        app: The app under test.
        store: Its broker.
        isolation: Keeps what it runs from sleeping and from real servers.
    """

    def __init__(self, app: App, store: Store, isolation: Isolation) -> None:
        self._app = app
        self._store = store
        self._isolation = isolation
        self.connection = app.connection_for_read()
        self._channel = self.connection.default_channel
        self._own_queues = (app.topology.dead, app.topology.outcomes)
        self._consumer = _Consumer(app, self.connection)
        self._on_message = self._consumer.create_task_handler()
        self.running = False

    def run_next(self) -> str | None:
        """Run the message that is first in line; None if none is ready.

        Returns:
            The id of the call, or an empty text for a message that has none.
        """
        queue = self._next_queue()
        message = None if queue is None else self._channel.basic_get(queue)
        if message is None:
            return None
        message.accept = {"application/json", "json"}
        handle = self._app.registry.get(message.headers.get("task"))
        function = None if handle is None else handle.spec.function
        with self._isolation.attempt(function), self._as_worker(), code_copied_once():
            self._on_message(message)
        return str(message.headers.get("id") or "")

    def is_ready(self) -> bool:
        """Whether a message could run now."""
        return self._next_queue() is not None

    def next_due(self) -> float | None:
        """When the next delayed message is due, in seconds since 1970."""
        return self._store.next_due()

    def close(self) -> None:
        """Let go of the broker and of what Celery keeps for each process."""
        self.connection.close()
        for request in list(worker_state.requests.values()):
            worker_state.task_ready(request)

    def _next_queue(self) -> str | None:
        """The queue in which a message has been ready longest."""
        return self._store.first_ready(besides=self._own_queues)

    @contextmanager
    def _as_worker(self) -> Iterator[None]:
        """What Celery keeps in globals while a worker runs, and only that long."""
        before, blocked = _state._tls.current_app, _state.task_join_will_block()
        _state._set_current_app(self._app)
        _state._set_task_join_will_block(True)
        self.running, was = True, self.running
        try:
            yield
        finally:
            self.running = was
            _state._set_current_app(before)
            _state._set_task_join_will_block(blocked)


class _Consumer(WorkerConsumer):
    """The worker's consumer without its own connection, threads and timers."""

    def __init__(self, app: App, connection: Any) -> None:
        self.app = app
        self.connection = connection
        self.connection_errors = (OSError,)
        self.hostname = "fw-testing"
        self.pool = _InlinePool(app=app)
        self.event_dispatcher = None
        self.disable_rate_limits = True
        self.task_buckets: dict[str, Any] = {}
        self.on_task_message: set[Any] = set()
        self.timer = _NoTimer()
        self.controller = _Controller()
        self.restart_count = 0
        self.strategies = _Strategies(self)
        self._maximum_prefetch_restored = True

    def on_task_request(self, request: Any) -> None:
        request.execute_using_pool(self.pool)

    def call_soon_ack(self, function: Any, *args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)

    def _limit_task(self, request: Any, bucket: Any, tokens: Any) -> None:
        raise AssertionError("rate limits are off")

    def _limit_post_eta(self, request: Any, bucket: Any, tokens: Any) -> None:
        raise AssertionError("rate limits are off")


class _Strategies(dict[str, Any]):
    """A strategy for each task, made when its first message comes: tests declare as they go."""

    def __init__(self, consumer: _Consumer) -> None:
        super().__init__()
        self._consumer = consumer

    def __missing__(self, name: str) -> Any:
        app = self._consumer.app
        handle = app.registry.get(name)
        if handle is None and name not in app.tasks:
            raise KeyError(name)
        task = app.tasks[name] if handle is None else app.task_of(handle)
        made = task.start_strategy(app, self._consumer)
        if handle is None:
            self[name] = made
        return made


class _InlinePool(BasePool):  # type: ignore[misc]
    """Runs where it is called; what a child process would send back is pickled all the same."""

    task_join_will_block = True

    def on_apply(
        self, target: Any, args: Any = (), kwargs: Any = None, callback: Any = None, **options: Any
    ) -> None:
        def through_the_pipe(result: Any) -> None:
            if callback is not None:
                callback(_pickled(result))

        def in_child(*args: Any, **kwargs: Any) -> Any:
            try:
                return target(*args, **kwargs)
            except ProcessDied:
                raise WorkerLostError("Worker exited prematurely: signal 9 (SIGKILL)") from None

        error_callback = options.get("error_callback")
        try:
            apply_target(
                in_child,
                args,
                kwargs or {},
                through_the_pipe,
                options.get("accept_callback"),
                # Ctrl-C ends the run of the tests, not an attempt.
                propagate=(Killed, KeyboardInterrupt),
            )
        except Killed:
            options["timeout_callback"](False, None)  # the pool has killed its process
        except Exception:
            if error_callback is None:
                raise
            error_callback(ExceptionInfo())


def _pickled(result: Any) -> Any:
    """What comes out of a child's pipe.

    A traceback is Celery's own, always fit to travel and thousands of objects: it stays as it is.
    """
    match result:
        case (failed, ExceptionInfo() as value, seconds):
            arrived = copy(value)
            arrived.exception = pickle.loads(pickle.dumps(value.exception))  # noqa: S301 - our bytes
            value.tb = None  # it is in a cycle, and would live until the next collection of garbage
            return failed, arrived, seconds
        case _:
            return pickle.loads(pickle.dumps(result))  # noqa: S301 - our own bytes


class _NoTimer:
    """Nothing is left to a timer: the broker holds what is not due."""

    def call_at(self, *_: Any, **__: Any) -> None:
        raise AssertionError("the worker was asked to hold a message in memory")


class _Controller:
    state = worker_state
