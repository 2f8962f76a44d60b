"""Functional composition: an attempt is a function wrapped in small functions.

Read from the outside in::

    restore context → check arguments → time limit → run → keep a plain result

Each wrapper takes a body and gives a body, knows one thing, and can be tested alone. What comes
out is an :data:`Outcome`, never an exception of the team's.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import random
import signal
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, cast

from fw_core.attempt.current import Attempt, running
from fw_core.attempt.decide import Tries, decide
from fw_core.attempt.outcome import Outcome, Succeeded
from fw_core.call import carriers, plain
from fw_core.call.arguments import Arguments
from fw_core.declare.spec import TaskSpec
from fw_core.errors import ReturnError, TimedOut

_logger = logging.getLogger("fw.attempt")


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One attempt, about to be made.

    Attributes:
        spec: The task.
        arguments: How its arguments are checked.
        attempt: What the body can know of it.
        args: The message's positional arguments.
        kwargs: The message's named arguments.
        needs_result: Whether somebody will read the result or get it as an argument.
    """

    spec: TaskSpec
    arguments: Arguments
    attempt: Attempt
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    needs_result: bool


Body = Callable[[Run], Any]
Wrapper = Callable[[Body], Body]


def compose(*wrappers: Wrapper) -> Wrapper:
    """One wrapper out of several; the first is the outermost."""
    return lambda body: functools.reduce(
        lambda inner, wrapper: wrapper(inner), reversed(wrappers), body
    )


def with_context(body: Body) -> Body:
    """Let the body ask for its attempt."""

    def wrapped(run: Run) -> Any:
        with running(run.attempt):
            return body(run)

    return wrapped


def with_checked_arguments(body: Body) -> Body:
    """Give the body arguments of the types that it declares, or fail before it runs."""

    def wrapped(run: Run) -> Any:
        checked = run.arguments.decode(run.args, run.kwargs)
        return body(
            Run(
                spec=run.spec,
                arguments=run.arguments,
                attempt=run.attempt,
                args=checked.args,
                kwargs=checked.kwargs,
                needs_result=run.needs_result,
            )
        )

    return wrapped


def with_plain_result(body: Body) -> Body:
    """Return what JSON carries of the body's result.

    The work is done by then, so a result that only differs from its annotation is kept as it is.
    """

    def wrapped(run: Run) -> Any:
        value = body(run)
        if isinstance(value, (GeneratorType, AsyncGeneratorType)):  # nothing has been done
            raise ReturnError(task=run.spec.name, shown=plain.show(value))
        try:
            return run.arguments.returns.encode("result", value)
        except plain.NotPlainError:
            pass
        try:
            kept = carriers.carrier(Any).encode("result", value)
        except plain.NotPlainError:
            if not run.needs_result:
                return None
            raise ReturnError(task=run.spec.name, shown=plain.show(value)) from None
        _logger.warning(
            "%s returned %s, which is not what its annotation says",
            run.spec.name,
            plain.show(value),
        )
        return kept

    return wrapped


def call_function(run: Run) -> Any:
    """Call the team's function; an ``async def`` is run to its end, on every pool."""
    if run.spec.is_async:
        return _run_async(run, run.spec.function(*run.args, **run.kwargs))
    value = run.spec.function(*run.args, **run.kwargs)
    if isinstance(value, CoroutineType):  # a decorator around an async def, itself a plain function
        return _run_async(run, cast("Coroutine[Any, Any, Any]", value))
    return value


def attempt(
    run: Run,
    *,
    tries: Tries,
    now: Callable[[], datetime],
    retry_after_limit: float,
    limit_time: Wrapper = lambda body: body,
    draw: Callable[[], float] = random.random,
    passes: tuple[type[BaseException], ...] = (),
    is_leaving: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Make one attempt and say how it ended.

    Args:
        run: The attempt.
        tries: What the message has been through.
        now: The clock; only a ``Retry-After`` date needs it.
        retry_after_limit: Seconds that a ``Retry-After`` may ask for at most.
        limit_time: Stops the body at the task's timeout, in the way that this worker can.
        draw: Gives the jitter of a wait, from 0 up to 1.
        passes: Exceptions that are no outcome and go on to the caller.
        is_leaving: Whether this process was told to end: what the body then raised is no outcome
            either, for the body was not run to its end.
    """
    try:
        return Succeeded(_whole(limit_time)(run))
    except passes:
        raise
    except BaseException as error:
        # A body that raises what ends a process has failed like any other, and would again.
        if is_leaving() or _from_the_keyboard(error):
            raise
        return decide(
            error,
            run.spec.policy,
            tries,
            now=now(),
            retry_after_limit=retry_after_limit,
            draw=draw,
        )


@functools.lru_cache(maxsize=8)
def _whole(limit_time: Wrapper) -> Body:
    return compose(with_context, with_checked_arguments, with_plain_result, limit_time)(
        call_function
    )


def _from_the_keyboard(error: BaseException) -> bool:
    """Whether somebody pressed Ctrl-C in a program of theirs, such as a test run.

    A worker handles that signal itself, in every process, so there it is the body's own.
    """
    return (
        isinstance(error, KeyboardInterrupt)
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )


def _run_async(run: Run, coroutine: Coroutine[Any, Any, Any]) -> Any:
    seconds = run.spec.timeout.total_seconds()

    async def main() -> Any:
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await coroutine
        except TimeoutError:
            if limit.expired():
                raise TimedOut(task=run.spec.name, seconds=seconds) from None
            raise

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main())
    # A test's own loop runs in this thread; a second one can only run in another.
    return _in_thread(lambda: asyncio.run(main()))


def _in_thread(function: Callable[[], Any]) -> Any:
    outcome: list[Any] = []
    context = contextvars.copy_context()

    def target() -> None:
        try:
            outcome.extend((True, context.run(function)))
        except BaseException as error:
            outcome.extend((False, error))

    thread = threading.Thread(target=target, name="fw-async")
    thread.start()
    thread.join()
    succeeded, value = outcome
    if succeeded:
        return value
    raise value
