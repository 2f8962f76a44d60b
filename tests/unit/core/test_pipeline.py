"""The attempt: a function wrapped in small functions; what comes out is an outcome."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import date
from typing import Any

import pytest
from celery.exceptions import Ignore, Reject, Retry

from fw_core import CallError, GiveUp, RetryLater, RetryPolicy, current_attempt
from fw_core.attempt.current import NoAttemptError, attempt_or_none
from fw_core.attempt.decide import Tries
from fw_core.attempt.outcome import GaveUp, RetryIn, Succeeded
from fw_core.attempt.pipeline import compose
from fw_core.errors import ReturnError, TimedOut

CELERYS_OWN = (Retry, Ignore, Reject)


# Composition


def test_the_first_wrapper_is_the_outermost():
    def says(word):
        return lambda body: lambda run: f"{word}({body(run)})"

    assert compose(says("a"), says("b"))(lambda run: run)("run") == "a(b(run))"


def test_composing_nothing_changes_nothing():
    assert compose()(str)(3) == "3"


# What a body returns


def test_a_body_that_returns_has_succeeded(attempt_of):
    def add(a: int, b: int) -> int:
        return a + b

    assert attempt_of(add, 1, 2) == Succeeded(3)


def test_named_arguments_reach_the_body(attempt_of):
    def add(a: int, *, b: int) -> int:
        return a + b

    assert attempt_of(add, 1, kwargs={"b": 2}) == Succeeded(3)


def test_a_body_gets_the_types_that_it_declares(attempt_of):
    def weekday(day: date) -> str:
        return type(day).__name__

    assert attempt_of(weekday, "2026-01-01") == Succeeded("date")


def test_a_result_leaves_as_plain_json(attempt_of):
    def today() -> date:
        return date(2026, 1, 1)

    assert attempt_of(today) == Succeeded("2026-01-01")


def test_a_result_that_differs_from_its_annotation_is_kept_and_said(attempt_of, caplog):
    """The work is done: it must not be done again for the sake of an annotation."""

    def count() -> int:
        return "three"

    with caplog.at_level(logging.WARNING, "fw.attempt"):
        assert attempt_of(count) == Succeeded("three")

    assert "returned 'three', which is not what its annotation says" in caplog.text


def test_a_result_that_json_cannot_carry_is_a_failure_without_a_retry(attempt_of):
    def find():
        return object()

    outcome = attempt_of(find)

    assert isinstance(outcome, GaveUp)
    assert isinstance(outcome.error, ReturnError)


def test_a_result_that_nobody_reads_may_be_anything(attempt_of):
    def find():
        return object()

    assert attempt_of(find, needs_result=False) == Succeeded(None)


def test_a_result_that_holds_itself_is_a_failure_without_a_retry(attempt_of):
    def find():
        circle: list[Any] = []
        circle.append(circle)
        return circle

    assert isinstance(attempt_of(find).error, ReturnError)


# What a body raises


def test_an_error_is_decided_by_the_policy(attempt_of):
    def fail() -> None:
        raise ConnectionError

    assert attempt_of(fail, policy=RetryPolicy(backoff=3, jitter=0)).seconds == 3.0
    assert isinstance(attempt_of(fail, tries=Tries(retries=3)), GaveUp)


@pytest.mark.parametrize("signal", [GiveUp("no"), RetryLater(5)])
def test_a_signal_passes_a_bodys_except_exception(attempt_of, signal):
    def careful() -> str:
        try:
            raise signal
        except Exception:
            return "swallowed"

    assert attempt_of(careful).error is signal


def test_sys_exit_in_a_body_is_a_failure_and_not_the_workers_end(attempt_of):
    def leave() -> None:
        raise SystemExit(1)

    assert isinstance(attempt_of(leave), GaveUp)


class TeamsOwn(BaseException):
    """As a library may have it."""


@pytest.mark.parametrize("error", [asyncio.CancelledError(), TeamsOwn()])
def test_any_other_base_exception_of_a_body_is_a_failure(attempt_of, error):
    """Let through, it would end the worker's process, and the message would end the next one."""

    def fail() -> None:
        raise error

    assert attempt_of(fail).error is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit()])
def test_what_python_itself_ends_with_is_a_failure_where_a_body_raises_it(attempt_of, error):
    """In a worker, which handles SIGINT itself: let through, it would come again and again."""

    def fail() -> None:
        raise error

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a worker's processes have it
    try:
        assert attempt_of(fail).error is error
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_in_a_test_run_ends_the_test_run(attempt_of, at_the_keyboard):
    """Python's own handler raised it, in the main thread: there is somebody at the keyboard."""

    def is_interrupted() -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        attempt_of(is_interrupted)


@pytest.mark.parametrize("error", [Retry(), Ignore(), Reject("why", requeue=False)])
def test_celerys_own_control_exceptions_are_never_retried(attempt_of, error):
    """All three are Exceptions, so retry_on=Exception would take them for failures."""

    def control() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        attempt_of(control, passes=CELERYS_OWN, policy=RetryPolicy(retry_on=BaseException))

    assert caught.value is error


@pytest.mark.parametrize("error", [SystemExit(-241), RuntimeError("in a finally")])
def test_what_a_body_raises_while_its_process_is_told_to_end_is_no_outcome(attempt_of, error):
    """A pool ends its processes by SystemExit in the body: the task was not run to its end."""

    def interrupted() -> None:
        raise error

    with pytest.raises(type(error)):
        attempt_of(interrupted, leaving=True)


def test_a_body_that_ends_while_its_process_is_told_to_end_has_succeeded(attempt_of):
    def ends() -> int:
        return 1

    assert attempt_of(ends, leaving=True) == Succeeded(1)


# Arguments in the worker


def test_a_wrong_argument_in_a_message_fails_without_running_the_body(attempt_of):
    ran = []

    def process_order(order_id: int) -> None:
        ran.append(order_id)

    outcome = attempt_of(process_order, "7")

    assert not ran
    assert isinstance(outcome, GaveUp)
    assert isinstance(outcome.error, CallError)
    assert "argument 'order_id' must be int, got '7'" in outcome.error.what


@pytest.mark.parametrize("args", [(), (1, 2)])
def test_a_message_with_a_wrong_number_of_arguments_fails_without_a_retry(attempt_of, args):
    def process_order(order_id: int) -> None: ...

    assert isinstance(attempt_of(process_order, *args), GaveUp)


# The context


def test_a_body_can_ask_for_its_attempt(attempt_of):
    def who() -> list[Any]:
        attempt = current_attempt()
        return [attempt.task_id, attempt.number, attempt.of]

    assert attempt_of(who) == Succeeded(["an-id", 2, 4])


def test_the_attempt_is_over_when_the_body_has_ended(attempt_of):
    def fail() -> None:
        raise ValueError

    attempt_of(fail)

    assert attempt_or_none() is None


def test_outside_an_attempt_there_is_none_to_ask_for():
    with pytest.raises(NoAttemptError, match="outside a running task"):
        current_attempt()


# async def


def test_an_async_body_runs(attempt_of):
    """Under plain Celery it would count as done without having run."""

    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    assert attempt_of(add, 1, 2) == Succeeded(3)


def test_an_async_body_whose_result_nobody_reads_runs(attempt_of):
    ran = []

    async def work() -> None:
        ran.append(1)

    attempt_of(work, needs_result=False)

    assert ran == [1]


def test_an_async_body_runs_where_a_loop_runs_in_the_same_thread(attempt_of):
    """An async test has a loop of its own."""

    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    async def test() -> Any:
        return attempt_of(add, 1, 2)

    assert asyncio.run(test()) == Succeeded(3)


def test_an_async_body_runs_in_a_thread_without_a_loop(attempt_of):
    outcomes = []

    async def add(a: int, b: int) -> int:
        return a + b

    thread = threading.Thread(target=lambda: outcomes.append(attempt_of(add, 1, 2)))
    thread.start()
    thread.join()

    assert outcomes == [Succeeded(3)]


@pytest.mark.parametrize("in_loop", [False, True])
def test_an_async_body_can_ask_for_its_attempt(attempt_of, in_loop):
    async def who() -> str:
        return current_attempt().task_id

    async def test() -> Any:
        return attempt_of(who)

    assert (asyncio.run(test()) if in_loop else attempt_of(who)) == Succeeded("an-id")


mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="none")


def test_an_async_body_inside_a_loop_sees_the_context_of_its_caller(attempt_of):
    async def read() -> str:
        return mark.get()

    async def test() -> Any:
        mark.set("a request")
        return attempt_of(read)

    assert asyncio.run(test()) == Succeeded("a request")


@pytest.mark.parametrize("in_loop", [False, True])
@pytest.mark.parametrize("error", [ValueError("x"), GiveUp("no"), RetryLater(3), SystemExit(1)])
def test_an_async_body_that_fails_is_decided_as_any_other(attempt_of, error, in_loop):
    async def fail() -> None:
        raise error

    async def test() -> Any:
        return attempt_of(fail)

    outcome = asyncio.run(test()) if in_loop else attempt_of(fail)

    assert outcome.error is error


def test_a_signal_from_a_task_group_is_obeyed(attempt_of):
    async def step() -> None:
        raise RetryLater(5)

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(step())

    assert attempt_of(work).seconds == 5.0


@pytest.mark.parametrize("in_loop", [False, True])
def test_an_async_body_is_stopped_at_its_timeout(attempt_of, in_loop):
    async def wait_for_ever() -> None:
        async with asyncio.timeout(10):  # a TimeoutError of its own, where nothing else stops it
            await asyncio.Event().wait()

    async def test() -> Any:
        return attempt_of(wait_for_ever, timeout=0.05)

    outcome = asyncio.run(test()) if in_loop else attempt_of(wait_for_ever, timeout=0.05)

    assert isinstance(outcome, RetryIn)
    assert isinstance(outcome.error, TimedOut)
    assert outcome.error.seconds == 0.05


def test_an_async_body_cleans_up_when_it_is_stopped(attempt_of):
    cleaned = []

    async def wait_for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(1)

    attempt_of(wait_for_ever, timeout=0.05)

    assert cleaned == [1]


def test_except_exception_in_an_async_body_does_not_swallow_its_timeout(attempt_of):
    async def careful() -> str:
        try:
            await asyncio.Event().wait()
        except Exception:
            return "swallowed"
        return "ended"

    assert isinstance(attempt_of(careful, timeout=0.05).error, TimedOut)


def test_a_timeout_error_of_the_body_is_not_taken_for_the_tasks_timeout(attempt_of):
    error = TimeoutError("of the database")

    async def fail() -> None:
        raise error

    assert attempt_of(fail).error is error


def test_the_timeout_of_an_async_body_does_not_hide_what_it_raises_in_finally(attempt_of):
    async def fail() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise KeyError("cleaning up")

    assert isinstance(attempt_of(fail, timeout=0.05).error, KeyError)


# Decorators below task_framework


def keeping(function):
    """As most decorators are written: a plain function around any other."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def test_an_async_body_under_a_plain_decorator_runs(attempt_of):
    """The wrapper is no async def, so only what it returns can tell."""

    @keeping
    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    assert attempt_of(add, 1, 2) == Succeeded(3)


def test_an_async_body_under_a_plain_decorator_is_stopped_at_its_timeout(attempt_of):
    @keeping
    async def wait_for_ever() -> None:
        await asyncio.Event().wait()

    assert isinstance(attempt_of(wait_for_ever, timeout=0.05).error, TimedOut)


@pytest.mark.parametrize("needs_result", [True, False])
def test_a_generator_under_a_plain_decorator_is_a_failure(attempt_of, needs_result):
    """Its body has not run, so it must not count as done, whoever reads the result."""

    @keeping
    def items() -> Iterator[int]:
        yield 1

    @keeping
    async def async_items() -> AsyncIterator[int]:
        yield 1

    assert isinstance(attempt_of(items, needs_result=needs_result).error, ReturnError)
    assert isinstance(attempt_of(async_items, needs_result=needs_result).error, ReturnError)


def test_the_arguments_of_a_decorated_body_are_checked_by_its_own_annotations(attempt_of):
    @keeping
    def process_order(order_id: int) -> int:
        return order_id

    assert attempt_of(process_order, 7) == Succeeded(7)
    assert isinstance(attempt_of(process_order, "7").error, CallError)
