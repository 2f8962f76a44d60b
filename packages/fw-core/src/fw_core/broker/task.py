"""The factory pattern: from a declared task to a Celery task of one app.

Nothing is made when a module is imported: several apps in one process each make their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from celery import Task as CeleryTask

from fw_core.broker.amqp import BROKER_DEATH_HEADERS
from fw_core.broker.follow_up import is_follow_up
from fw_core.call.size import check_size
from fw_core.declare.spec import TaskSpec

if TYPE_CHECKING:
    from fw_core.broker.app import App
    from fw_core.declare.handle import TaskHandle

Runner = Callable[["FrameworkTask", tuple[Any, ...], dict[str, Any]], Any]
"""Runs one attempt of a task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSide:
    """What a worker adds to the tasks and a client never needs.

    Attributes:
        runner: Runs one attempt.
        request: Celery's request class, settled by our policy.
        strategy: Celery's strategy, from a message to a request.
    """

    runner: Runner
    request: type
    strategy: Callable[..., Any]


HARD_LIMIT_GRACE = 20.0
"""Seconds after its timeout that a body has to clean up and its outcome to be stored and sent."""


class FrameworkTask(CeleryTask):  # type: ignore[misc]
    """A Celery task made from a declared one."""

    abstract = True
    name: str
    handle: TaskHandle[..., Any]
    worker_side: WorkerSide | None = None
    pool: Any = None  # the worker's pool, in its main process
    typing = False  # arguments are checked by their annotations, here and in the worker

    @property
    def spec(self) -> TaskSpec:
        """What the task was declared with."""
        return self.handle.spec

    def _get_exec_options(self) -> dict[str, Any]:
        """What a message takes along of its task: no time limits, which are the worker's.

        A message sent before a deployment must not bring the timeout of the old code.
        """
        options: dict[str, Any] = super()._get_exec_options()
        return {k: v for k, v in options.items() if k not in {"time_limit", "soft_time_limit"}}

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run one attempt, or the plain function where this app has no worker."""
        if self.worker_side is None:
            return self.spec.function(*args, **kwargs)
        return self.worker_side.runner(self, args, kwargs)

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send a call as Celery does, with its arguments checked.

        The first step of a workflow comes here with arguments that were made plain before, and
        a signature may hold either: what is not right as it is must be right as plain values.
        Inside a worker the steps of a workflow come through here with the result of the step
        before them, what waits at a join with those of all its members: wrong ones must fail in
        the attempt that gets them, not end the step that is done.
        """
        if self.app.current_worker_task is None and not is_follow_up():
            checked = self.handle.arguments.encode_or_keep(args or (), kwargs or {})
            check_size(self.name, checked, limit=self.app.settings.message_limit)
            args, kwargs = checked.args, checked.kwargs
        return self.send_plain(args, kwargs, **options)

    def send_plain(self, args: Any, kwargs: Any, **options: Any) -> Any:
        """Send a call whose arguments have been checked and are plain."""
        return super().apply_async(args, kwargs, **options)

    def signature_from_request(
        self,
        request: Any = None,
        args: Any = None,
        kwargs: Any = None,
        queue: Any = None,
        **extra_options: Any,
    ) -> Any:
        """The same call again: in the queue it came from, with fresh headers.

        Celery takes the exchange and key of the last delivery, which after a wait are those of the
        way back, and lets a queue chosen for one call be lost.
        """
        request = self.request if request is None else request
        queue = queue or (request.delivery_info or {}).get("routing_key")
        signature = super().signature_from_request(
            request, args, kwargs, queue=queue, **extra_options
        )
        headers = {**(request.headers or {}), **(extra_options.get("headers") or {})}
        signature.options["headers"] = {
            name: value for name, value in headers.items() if name not in BROKER_DEATH_HEADERS
        }
        return signature

    def send_again(
        self, request: Any, *, seconds: float, retries: int, headers: dict[str, Any]
    ) -> Any:
        """Send the call of ``request`` again, to be run after ``seconds``.

        Returns:
            Celery's signature of what was sent.

        Raises:
            NotSent, MaybeSent: it is not known to be queued, so the message must be kept.
        """
        signature = self.signature_from_request(
            request, countdown=seconds, retries=retries, headers=headers
        )
        options = dict(signature.options)
        name = options.pop("queue", None)
        if name is not None:
            topology = self.app.topology
            options["queue"] = topology.task_queue(name.removeprefix(topology.prefix))
        self.send_plain(signature.args, signature.kwargs, **options, fw_exact=False)
        return signature


def make_task(
    app: App, handle: TaskHandle[..., Any], worker_side: WorkerSide | None
) -> FrameworkTask:
    """Make the Celery task of ``handle`` for ``app``."""
    spec = handle.spec
    seconds = spec.timeout.total_seconds()
    attributes: dict[str, Any] = {
        "name": spec.name,
        "handle": handle,
        "worker_side": worker_side,
        "__module__": spec.function.__module__,
        "__doc__": spec.function.__doc__,
        "ignore_result": spec.ignore_result,
        "max_retries": spec.policy.retries,
        "expires": None if spec.expires is None else spec.expires.total_seconds(),
        # The soft limit is the attempt's own, on every pool; this one kills a process.
        "time_limit": seconds + HARD_LIMIT_GRACE,
    }
    if worker_side is not None:
        attributes["Request"] = worker_side.request
        attributes["Strategy"] = staticmethod(worker_side.strategy)
    cls = type(spec.function.__name__, (FrameworkTask,), attributes)
    registered: Any = app.register_task(cls())
    task: FrameworkTask = registered
    return task
