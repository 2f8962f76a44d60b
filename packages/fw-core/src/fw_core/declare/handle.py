"""What the decorator leaves in place of the function: callable as before, and sendable."""

from __future__ import annotations

import asyncio
import functools
import importlib
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from fw_core.call.arguments import Arguments
from fw_core.call.options import NO_OPTIONS, CallOptions
from fw_core.declare.spec import TaskSpec

if TYPE_CHECKING:
    from fw_core.call.after_commit import Transaction
    from fw_core.results.handle import TaskResult

P = ParamSpec("P")
R = TypeVar("R")


class TaskHandle(Generic[P, R]):
    """A declared task.

    It knows its :class:`TaskSpec` and nothing of any broker: which app sends a call is found when
    the call is made, so importing a module with tasks connects to nothing.
    """

    spec: TaskSpec
    __wrapped__: Callable[..., Any]
    __name__: str
    __qualname__: str

    def __init__(self, spec: TaskSpec) -> None:
        functools.update_wrapper(cast(Any, self), spec.function)
        self.spec = spec  # after the function's own attributes, of which one may be called so

    def __repr__(self) -> str:
        return f"<task {self.spec.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return find, (self.spec.function.__module__, self.spec.name)

    @property
    def name(self) -> str:
        """The task's name on the wire."""
        return self.spec.name

    @cached_property
    def arguments(self) -> Arguments:
        """The arguments that the task takes."""
        return Arguments(self.spec.name, self.spec.function)

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> TaskResult[R]:
        """Queue a call; it has been confirmed by the broker when this returns.

        Raises:
            CallError: the arguments do not fit; nothing was sent.
            NotSent: the broker did not take it within 5 s; nothing was queued.
            MaybeSent: no confirm came within 5 s; it may be queued.
        """
        return self._call(NO_OPTIONS).delay(*args, **kwargs)

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> TaskResult[R]:
        """Queue a call from async code without blocking the event loop; else as :meth:`delay`."""
        return await self._call(NO_OPTIONS).adelay(*args, **kwargs)

    def delay_many(
        self, calls: Iterable[Sequence[Any]], progress: Callable[[int], None] | None = None
    ) -> list[TaskResult[R]]:
        """Queue many calls, each given as its positional arguments, in one confirmed round.

        All arguments are checked before the first message is sent.

        Args:
            calls: The arguments of each call.
            progress: Told now and then how many calls are confirmed; not of calls that wait for a
                commit.

        Raises:
            CallError: as in :meth:`delay`.
            NotSent, MaybeSent: not all of them were confirmed; ``confirmed``, ``in_doubt`` and
                ``not_sent`` hold the ids of those that were, may be and are not queued.
        """
        return self._call(NO_OPTIONS).delay_many(calls, progress)

    def options(
        self,
        *,
        queue: str | None = None,
        delay: float | timedelta | None = None,
        priority: int | None = None,
        expires: float | timedelta | datetime | None = None,
        id: str | None = None,
        after_commit: Transaction | None = None,
    ) -> Call[P, R]:
        """Options for a call, kept off the task's own arguments.

        >>> # process_order.options(queue="bulk", delay=60).delay(7)

        Args:
            queue: Where the message waits instead of the task's own queue.
            delay: When it may start at the earliest: seconds or a timedelta from now, up to a year.
            priority: Above 4 goes first.
            expires: When it is no longer worth starting: seconds or a timedelta from now, or a
                datetime with a time zone.
            id: The id of the call; sending again with the same id says it is the same call.
            after_commit: A SQLAlchemy session, or ``django.db.transaction``: the call is sent when
                its transaction commits, and never if it rolls back; see :func:`after_commit`.

        Raises:
            OptionError: a value that cannot be kept.
            UnknownQueueError: no worker declares the queue.
        """
        return self._call(
            CallOptions.checked(
                queue=queue,
                delay=delay,
                priority=priority,
                expires=expires,
                id=id,
                after_commit=after_commit,
            )
        )

    def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> TaskResult[R]:
        """Celery's own form of a call, with Celery's options; arguments are checked as always."""
        from fw_core.call.send import send_with

        return send_with(self, args, kwargs or {}, options)

    def s(self, *args: Any, **kwargs: Any) -> Any:
        """Celery's signature: a call to be sent later, or a step that gets the result before it."""
        from fw_core.call.send import signature

        return signature(self, args, kwargs, immutable=False)

    def si(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Celery's immutable signature: a step that takes no result; its arguments are complete."""
        from fw_core.call.send import signature

        return signature(self, args, kwargs, immutable=True)

    def result(self, id: str) -> TaskResult[R]:
        """The result of an earlier call, by its id."""
        from fw_core.call.send import result_of

        return result_of(self, id)

    def _call(self, options: CallOptions) -> Call[P, R]:
        return Call(self, options)


class Task(TaskHandle[P, R]):
    """The handle of a plain function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function here and now: no retry, no broker."""
        return self.spec.function(*args, **kwargs)  # type: ignore[no-any-return]


class AsyncTask(TaskHandle[P, R]):
    """The handle of an ``async def``."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Call the function here and now: no retry, no broker; await what it returns."""
        return self.spec.function(*args, **kwargs)  # type: ignore[no-any-return]


class Call(Generic[P, R]):
    """A task with options for its next call."""

    def __init__(self, task: TaskHandle[P, R], options: CallOptions) -> None:
        self._task = task
        self._options = options

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> TaskResult[R]:
        """Queue a call with these options; see :meth:`TaskHandle.delay`."""
        from fw_core.call.send import send

        return send(self._task, args, kwargs, self._options)

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> TaskResult[R]:
        """Queue a call with these options without blocking the event loop."""
        from fw_core.call.send import is_held
        from fw_core.client import for_another_thread

        if is_held(self._options):  # nothing is sent yet, and a session belongs to its thread
            return self.delay(*args, **kwargs)
        return await asyncio.to_thread(for_another_thread(self.delay), *args, **kwargs)

    def delay_many(
        self, calls: Iterable[Sequence[Any]], progress: Callable[[int], None] | None = None
    ) -> list[TaskResult[R]]:
        """Queue many calls with these options; see :meth:`TaskHandle.delay_many`."""
        from fw_core.call.send import send_many

        return send_many(self._task, calls, self._options, progress)


def find(module: str, name: str) -> TaskHandle[..., Any]:
    """The task of this name, after its module has been imported: how a handle is unpickled."""
    from fw_core.declare.registry import TASK_REGISTRY

    importlib.import_module(module)
    return TASK_REGISTRY[name]
