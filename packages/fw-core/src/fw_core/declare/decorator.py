"""The decorator pattern: a plain function goes in, a task comes out.

The function stays as it is and can be called as before; retries, queue, timeout and results are
declared beside it and never mixed into it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

from fw_core.attempt.policy import BackoffSpec, Errors, RetryPolicy, named_policy
from fw_core.call.options import check_priority, check_seconds
from fw_core.declare import function as functions
from fw_core.declare.handle import AsyncTask, Task, TaskHandle
from fw_core.declare.registry import TASK_REGISTRY
from fw_core.declare.spec import TaskSpec
from fw_core.errors import DeclarationError, PolicyError

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H", bound=TaskHandle[..., Any])

DEFAULT_TIMEOUT = timedelta(minutes=5)

_nested_allowed = 0


class Decorator(Protocol):
    """What ``task_framework(...)`` returns: it makes a task of a function."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


# An async def is also a function that returns something: the first overload that fits counts.
@overload
def task_framework(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
    function: Callable[P, Coroutine[Any, Any, R]], /
) -> AsyncTask[P, R]: ...
@overload
def task_framework(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task_framework(
    *,
    retries: int = ...,
    backoff: BackoffSpec = ...,
    max_delay: float | timedelta = ...,
    jitter: float = ...,
    retry_on: Errors = ...,
    give_up_on: Errors = ...,
    ignore_result: bool = ...,
    timeout: float | timedelta = ...,
    queue: str = ...,
    priority: int | None = ...,
    expires: float | timedelta | None = ...,
    name: str | None = ...,
    policy: RetryPolicy | str | None = ...,
) -> Decorator: ...
def task_framework(
    function: Callable[..., Any] | None = None,
    /,
    *,
    ignore_result: bool = False,
    timeout: float | timedelta = DEFAULT_TIMEOUT,
    queue: str = "default",
    priority: int | None = None,
    expires: float | timedelta | None = None,
    name: str | None = None,
    policy: RetryPolicy | str | None = None,
    **retry: Any,
) -> Any:
    """Make a background task of a function; with or without parentheses.

    >>> # @task_framework(retries=5, backoff=3, ignore_result=True)
    >>> # def process_order(order_id: int) -> str: ...

    Args:
        function: The function, where the decorator is written without parentheses.
        retries: Retries after the first attempt; 3 if not given.
        backoff: Seconds before retry n: a number b waits ``b ** n``, a list those seconds, a
            function what it returns; 2 if not given.
        max_delay: Caps the stated wait before jitter; an hour if not given.
        jitter: Up to this share of a wait is added at random; 0.1 if not given.
        retry_on: Error classes that are retried; Exception if not given.
        give_up_on: Error classes that are not; it wins over ``retry_on``.
        ignore_result: Keep no result of a success; a failure is always kept.
        timeout: The longest an attempt may run, in seconds or as a timedelta.
        queue: Where the task's messages wait.
        priority: Above 4 goes first.
        expires: Seconds or timedelta after the call in which an attempt may still start.
        name: The name on the wire; module and function if not given.
        policy: A RetryPolicy or the name of a registered one, instead of the retry parameters.

    Raises:
        DeclarationError: the function cannot be a task.
        DuplicateTaskError: another function has its name.
        PolicyError, OptionError: a value that cannot be kept.
    """

    def declare(function: Callable[..., Any]) -> TaskHandle[..., Any]:
        if isinstance(function, TaskHandle):
            raise DeclarationError(
                f"task_framework was put on {function!r}, which is a task already.",
                "A task has one declaration, or nobody could tell which holds.",
                "write @register_task above @task_framework, and each of them once.",
            )
        functions.check_function(function)
        if name is None and not _nested_allowed:
            functions.check_reachable(function)
        spec = TaskSpec(
            name=_name(name) or functions.default_name(function),
            function=function,
            policy=_policy(policy, retry),
            ignore_result=_ignore_result(ignore_result),
            timeout=timedelta(seconds=check_seconds(timeout, option="timeout")),
            queue=_queue(queue),
            priority=None if priority is None else check_priority(priority),
            expires=None
            if expires is None
            else timedelta(seconds=check_seconds(expires, option="expires")),
            place=functions.place_of(function),
            explicit_name=name is not None,
        )
        return _declared(spec)

    return declare if function is None else declare(function)


@overload
def register_task(name: str, /) -> RegisterDecorator: ...
@overload
def register_task(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
    function: Callable[P, Coroutine[Any, Any, R]], /
) -> AsyncTask[P, R]: ...
@overload
def register_task(function: Callable[P, R], /) -> Task[P, R]: ...
def register_task(name: Any, /) -> Any:
    """Give a task the name by which workflows and messages call it.

    On a plain function it declares the task first, with the defaults.

    >>> # @register_task("task1")
    >>> # @task_framework(retries=3)
    >>> # def task1(data): ...

    Raises:
        DuplicateTaskError: another function has that name.
        DeclarationError: the task was given another name before.
    """
    if name is None:
        raise DeclarationError(
            "register_task was given None as a name.",
            "Workflows and messages call the task by it.",
            '@register_task("task1")',
        )
    if not isinstance(name, str):
        return cast(Any, task_framework)(name)

    def register(function: Any) -> TaskHandle[Any, Any]:
        if not isinstance(function, TaskHandle):
            return cast(TaskHandle[Any, Any], task_framework(name=name)(function))
        if function.spec.explicit_name and function.spec.name != name:
            raise DeclarationError(
                f"{function!r} has a name already and would be registered as {name!r} too.",
                "A task has one name on the wire, or its messages could not be told apart.",
                f'leave out name="{function.spec.name}", or register_task("{name}").',
            )
        task = cast("TaskHandle[..., Any]", function)
        TASK_REGISTRY.remove(task)
        return _declared(replace(task.spec, name=name, explicit_name=True))

    return register


class RegisterDecorator(Protocol):
    """What ``register_task("name")`` returns: it takes a task or a plain function."""

    @overload
    def __call__(self, task: H, /) -> H: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


def allow_nested(allowed: bool) -> None:
    """Let functions inside functions be tasks: fw-testing's fixtures do, since nothing leaves."""
    global _nested_allowed
    _nested_allowed += 1 if allowed else -1


def _declared(spec: TaskSpec) -> TaskHandle[..., Any]:
    handle: TaskHandle[..., Any] = AsyncTask(spec) if spec.is_async else Task(spec)
    handle.arguments.check_declaration()
    TASK_REGISTRY.add(handle)
    return handle


_RETRY_PARAMETERS = ("retries", "backoff", "max_delay", "jitter", "retry_on", "give_up_on")


def _policy(policy: Any, retry: dict[str, Any]) -> RetryPolicy:
    unknown = [option for option in retry if option not in _RETRY_PARAMETERS]
    if unknown:
        raise _unknown_option(unknown[0])
    if policy is None:
        return RetryPolicy(**retry)
    if retry:
        raise PolicyError(
            f"policy={policy!r} was given together with {', '.join(sorted(retry))}.",
            "A policy holds all of them, and nobody could tell which value counts.",
            "give either policy=... or the parameters.",
        )
    if isinstance(policy, RetryPolicy):
        return policy
    if isinstance(policy, str):
        return named_policy(policy)
    raise PolicyError(
        f"policy must be a RetryPolicy or the name of one, got {policy!r}.",
        "It says when a failed task runs again.",
        "policy=RetryPolicy(retries=5, backoff=3)",
    )


def _unknown_option(option: str) -> DeclarationError:
    from fw_core.errors import nearest

    options = [
        *_RETRY_PARAMETERS,
        "ignore_result",
        "timeout",
        "queue",
        "priority",
        "expires",
        "name",
        "policy",
    ]
    matches = nearest(option, options)
    return DeclarationError(
        f"task_framework has no parameter {option!r}."
        + (f" Did you mean {matches[0]!r}?" if matches else ""),
        "A misspelt option would silently leave the default in force.",
        f"{matches[0]}=..." if matches else f"one of: {', '.join(options)}",
    )


def _name(name: Any) -> str | None:
    if name is None or (isinstance(name, str) and name and name.isprintable() and len(name) <= 200):
        return name
    raise DeclarationError(
        f"name must be a text of 1 to 200 characters, got {name!r}.",
        "Messages find their task by it.",
        'name="orders.process_order"',
    )


def _ignore_result(ignore_result: Any) -> bool:
    if isinstance(ignore_result, bool):
        return ignore_result
    raise DeclarationError(
        f"ignore_result must be True or False, got {ignore_result!r}.",
        "It says whether a success leaves a result to read.",
        "ignore_result=True",
    )


def _queue(queue: Any) -> str:
    if isinstance(queue, str) and queue and queue.isprintable() and len(queue) <= 100:
        return queue
    raise DeclarationError(
        f"queue must be the name of a queue, got {queue!r}.",
        "The task's messages wait in it.",
        'queue="bulk"',
    )
