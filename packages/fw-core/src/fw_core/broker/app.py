"""The app factory: from settings and declared tasks to a Celery app."""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.local import maybe_evaluate
from kombu import Exchange
from kombu.exceptions import OperationalError

from fw_core.broker.follow_up import is_follow_up
from fw_core.broker.holding import NoProducer, holder
from fw_core.broker.own_tasks import OwnTasks, makers
from fw_core.broker.task import FrameworkTask, WorkerSide, make_task
from fw_core.broker.topology import Topology
from fw_core.call.due import due_at
from fw_core.errors import NotSent, UnknownQueueError, UnknownTaskError
from fw_core.outside import going_to
from fw_core.settings import Settings
from fw_core.urls import safe_url

if TYPE_CHECKING:
    from fw_core.declare.handle import TaskHandle

from fw_core.results.waiting import REAL_CLOCK
from fw_core.results.waiting import Clock as WaitingClock

Clock = Callable[[], datetime]

_apps: weakref.WeakSet[App] = weakref.WeakSet()
_abandoned: list[Any] = []


class App(Celery):  # type: ignore[misc]
    """A Celery app that keeps fw's promises; made by :func:`create_app`."""

    amqp_cls = "fw_core.broker.amqp:FrameworkAMQP"
    task_cls = FrameworkTask
    registry_cls = OwnTasks

    settings: Settings
    topology: Topology
    broker_url: str
    registry: Mapping[str, TaskHandle[..., Any]]
    finalized: bool
    is_by_default: bool = False  # made from this process's settings, because a call needed an app
    result_clock: Any = None  # how its results wait, where a test has its own time
    draw: Callable[[], float] = staticmethod(random.random)  # the jitter of retries' waits
    pauses: WaitingClock = REAL_CLOCK  # how a worker waits for a broker or a database to come back
    limit_time: Any = None  # stops a body too, where a test has its own time

    def __init__(
        self,
        *,
        settings: Settings,
        registry: Mapping[str, TaskHandle[..., Any]],
        broker_url: str,
        result_backend: Callable[[App], Any],
        worker_side: WorkerSide | None,
        clock: Clock | None,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.broker_url = broker_url
        self.topology = Topology(prefix=settings.prefix)
        self._worker_side = worker_side
        self._clock = clock
        self._result_backend = result_backend
        self._making = threading.RLock()
        self._celerys: list[Callable[[App], object]] = []
        super().__init__(
            "fw",
            set_as_current=False,
            autofinalize=False,
            strict_typing=False,
        )
        _apps.add(self)

    def renew_after_fork(self) -> None:
        """In a child: another thread of the parent may have held the lock."""
        self._making = threading.RLock()
        if self._tasks.make_the_rest is not None:  # it may have been at that just then
            self._celerys = self._tasks.begin_again()

    def now(self) -> datetime:
        """The time, which a test may have set."""
        return datetime.now(UTC) if self._clock is None else self._clock()

    def uses_utc_timezone(self) -> bool:
        """Always: Celery asks for each message, and looks it up in its settings each time."""
        return True

    @property
    def is_local(self) -> bool:
        """Whether messages stay on this machine; delays are then held by the message's header."""
        return self.broker_url.startswith("local:")

    @property
    def queues(self) -> tuple[str, ...]:
        """The team's queues: those of the settings, or those that tasks use and ``default``."""
        if self.settings.queues:
            return self.settings.queues
        used = {handle.spec.queue for handle in self.registry.values()}
        return tuple(sorted(used | {"default"}))

    def check_queue(self, queue: str, *, user: str) -> str:
        """Return ``queue``, which exists.

        Raises:
            UnknownQueueError: no worker declares it.
        """
        queues = self.queues
        if queue not in queues:
            raise UnknownQueueError(queue=queue, known=queues, user=user)
        return queue

    def task_of(self, handle: TaskHandle[..., Any]) -> FrameworkTask:
        """This app's Celery task of a declared task; made when it is first asked for."""
        task = self._tasks.get(handle.spec.name)
        if task is not None and task.handle is handle:
            return task  # type: ignore[no-any-return]
        with self._making:
            if handle.spec.name not in self._own_tasks:  # these wait where they are sent
                self.check_queue(handle.spec.queue, user=f"Task {handle.spec.name!r}")
            self._tasks.pop(handle.spec.name, None)
            return make_task(self, handle, self._worker_side)

    def finalize(self, auto: bool = False) -> None:
        """Make the app ready, as Celery does, but for its own tasks: they wait to be asked for.

        Args:
            auto: Not asked for: refused, because :func:`create_app` does it.
        """
        with self._finalize_mutex:
            if self.finalized:
                return
            if auto:
                raise RuntimeError("the app is used before create_app() has made it ready")
            self.finalized = True
            self._celerys, others = makers()
            for make in others:
                make(self)
            while self._pending:
                maybe_evaluate(self._pending.popleft())
            self._tasks.bind_to(self)
            self._tasks.make_the_rest = self._make_celerys
            self.on_after_finalize.send(sender=self)

    def _make_celerys(self) -> None:
        with self._making:
            left, self._celerys = self._celerys, []
            if not left:  # making one looks for others
                return
            for make in left:
                make(self)
            self._tasks.make_the_rest = None

    def make_tasks(self) -> None:
        """Make the Celery tasks of all that is declared.

        Raises:
            UnknownQueueError: a task uses a queue that no worker declares.
            DeclarationError: an annotation cannot be resolved.
        """
        for handle in (*self.registry.values(), *self._own_tasks.values()):
            handle.arguments.resolve()
            self.task_of(handle)

    @property
    def _own_tasks(self) -> Mapping[str, TaskHandle[..., Any]]:
        """The framework's own, which no list of tasks shows."""
        own: Mapping[str, TaskHandle[..., Any]] = getattr(self.registry, "own", {})
        return own

    def send_task(
        self,
        name: str,
        args: Any = None,
        kwargs: Any = None,
        countdown: float | None = None,
        eta: Any = None,
        **options: Any,
    ) -> Any:
        """Send by name, as Celery does; a delay is kept in the broker.

        A worker hands on what others have named: steps and callbacks of tasks that it need not
        know, in queues that it need not take.

        Raises:
            UnknownTaskError: no task of this name has been declared.
            UnknownQueueError: ``queue`` is given and no worker declares it.
            OptionError: ``countdown`` or ``eta`` is no delay that can be kept.
            NotSent, MaybeSent: the message is not known to be queued.
        """
        follows = is_follow_up()
        if self._tasks.get(name) is None:
            handle = self.registry.get(name)
            if handle is not None:
                self.task_of(handle)
            elif not follows:
                raise UnknownTaskError(name=name, known=self.registry)
        queue = options.get("queue")
        if isinstance(queue, str):
            known = queue.removeprefix(self.topology.prefix)
            if not follows:
                self.check_queue(known, user=name)
            options["queue"] = self.topology.task_queue(known)
        options["fw_due"] = due_at(
            self.now(), countdown=countdown, eta=eta, task=name, clamps=follows
        )
        options["fw_deadline"] = time.monotonic() + self.settings.send_timeout
        task_id = options["task_id"] = options.get("task_id") or str(uuid.uuid4())
        try:
            return super().send_task(name, args, kwargs, **options)
        except OperationalError as error:  # Celery's word for a pool that stays empty
            raise self.busy({task_id: name}) from error

    def producer_or_acquire(self, producer: Any = None) -> Any:
        """A producer of the pool for a block of code; none where messages are only held."""
        if holder() is not None:
            return nullcontext(NoProducer())
        going_to(self.broker_url, by_default=self.is_by_default)
        return super().producer_or_acquire(producer)

    def busy(self, calls: Mapping[str, str]) -> NotSent:
        """The error of calls that got no connection to be sent through."""
        return NotSent(
            calls=calls,
            broker=safe_url(self.broker_url),
            cause="all connections of this process were busy",
            fix="send again, from fewer threads at a time: a process has "
            f"{self.conf.broker_pool_limit} connections.",
        )

    def _get_backend(self) -> Any:
        return self._result_backend(self)

    def __reduce__(self) -> Any:
        return _default_again, ()


def _default_again() -> App:
    """An app does not travel between processes: the other side uses its own."""
    from fw_core.client import current_app

    return current_app()


def create_app(
    settings: Settings,
    registry: Mapping[str, TaskHandle[..., Any]],
    *,
    worker_side: WorkerSide | None = None,
    clock: Clock | None = None,
    result_backend: Callable[[App], Any] | None = None,
) -> App:
    """Make an app: the Celery tasks of all declared tasks, their queues, their routes.

    It is not made the current app of the process, so several can live side by side.

    Args:
        settings: Where the broker and the database are, and what they are called.
        registry: The declared tasks; one declared later is known when it is first called.
        worker_side: Runs the attempts; None where nothing runs, in the team's app.
        clock: Gives the time instead of the system.
        result_backend: Makes the app's result backend instead of the settings' database.

    Raises:
        UnknownQueueError, DeclarationError: a worker could not run one of the tasks.
    """
    from fw_core.results.backend import ResultBackend

    app = App(
        settings=settings,
        registry=registry,
        broker_url=_broker_url(settings),
        result_backend=result_backend
        or (lambda app: ResultBackend(app=app, url=results_url(app.settings))),
        worker_side=worker_side,
        clock=clock,
    )
    app.conf.update(_configuration(app))
    app.finalize()
    if worker_side is not None:  # a client makes a task when it is first called
        app.make_tasks()
    return app


def results_url(settings: Settings) -> str:
    """Where results are kept."""
    return settings.database_url or f"sqlite:///{settings.directory.absolute() / 'results.db'}"


def _broker_url(settings: Settings) -> str:
    if not settings.is_local:
        return settings.broker_url
    from fw_core.broker import local

    local.register()
    return settings.broker_url or local.file_url(settings.directory.absolute() / "broker.db")


def _configuration(app: App) -> dict[str, Any]:
    topology, settings = app.topology, app.settings
    default = topology.queue_name(app.queues[0] if "default" not in app.queues else "default")

    def route(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **_: Any) -> Any:
        handle = app.registry.get(name)
        if handle is None:
            return None
        spec = handle.spec
        priority = {} if spec.priority is None else {"priority": spec.priority}
        return {"queue": topology.task_queue(spec.queue), **priority}

    return {
        "broker_url": app.broker_url,
        # Confirms: without them plain Celery lost 199 of 3,000 sends at the producer's exit.
        "broker_transport_options": {"confirm_publish": not settings.is_local},
        "broker_connection_timeout": 2,
        "broker_pool_acquire_timeout": settings.send_timeout,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        # Checked every 3.3 s, a silence is noticed within 27 s.
        "broker_heartbeat": 10,
        "broker_heartbeat_checkrate": 3,
        "task_queues": [topology.task_queue(queue) for queue in app.queues],
        "task_routes": (route,),
        "task_default_queue": default,
        "task_default_routing_key": default,
        "task_default_exchange": Exchange(topology.tasks, type="topic").name,
        "task_default_exchange_type": "topic",
        "task_create_missing_queues": False,
        "task_publish_retry": False,  # the publisher does it, within send_timeout
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": True,
        "task_acks_on_failure": False,  # rejected without requeue: to the dead letters
        "task_acks_on_timeout": True,
        "task_reject_on_worker_lost": True,
        "task_store_errors_even_if_ignored": True,
        "task_track_started": settings.track_started,
        "task_inherit_parent_priority": False,
        "task_allow_error_cb_on_chord_header": False,
        # An exclusive one stays locked by a connection that the broker does not know to be dead:
        # the worker could not come back before that. This one ends when nobody takes from it.
        "control_queue_exclusive": settings.is_local,
        "control_queue_durable": not settings.is_local,
        "enable_utc": True,
        "timezone": "UTC",
    }


def _after_fork_in_child() -> None:
    """A connection inherited by a fork belongs to the parent: leave it untouched, make a new one.

    Multiprocessing's own hooks do not run where a web server forks its workers.
    """
    for app in list(_apps):
        app.renew_after_fork()
        amqp = app.__dict__.get("amqp")
        if amqp is not None:
            _abandoned.append(amqp.renew_after_fork())


os.register_at_fork(after_in_child=_after_fork_in_child)
