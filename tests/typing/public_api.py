"""What a type checker knows of the public API. Checked by mypy and pyright, never run."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type
from unittest.mock import ANY

from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session

from fw_core import (
    TASK_REGISTRY,
    AsyncTask,
    Attempt,
    GiveUp,
    RetryLater,
    RetryPolicy,
    SendError,
    Task,
    TaskResult,
    WorkflowResult,
    after_commit,
    current_attempt,
    execute_dynamic_workflow,
    register_policy,
    register_task,
    task_framework,
)
from fw_core.declare.handle import Call, TaskHandle
from fw_testing import DeadLetter, Eager, FakeBroker, Message


@task_framework
def bare(order_id: int) -> str:
    return f"Order {order_id} processed"


@task_framework()
def called(order_id: int) -> str:
    return f"Order {order_id} processed"


@task_framework(retries=5, backoff=3, ignore_result=True)
def process_order(order_id: int, *, fast: bool = False) -> str:
    return f"Order {order_id} processed"


@task_framework(
    backoff=[1, 10, 60],
    max_delay=timedelta(minutes=10),
    jitter=0,
    retry_on=(ConnectionError, TimeoutError),
    give_up_on=ValueError,
    timeout=30,
    queue="bulk",
    priority=7,
    expires=timedelta(hours=1),
    name="orders.many",
)
def many(*order_ids: int) -> None: ...


@task_framework(backoff=lambda n: 10.0 * n)
def growing() -> dict[str, int]:
    return {}


@task_framework(policy=RetryPolicy(retries=9))
def by_policy() -> None: ...


@task_framework(policy="network")
def by_name() -> None: ...


@task_framework
async def fetch(url: str) -> int:
    return len(url)


@task_framework(timeout=timedelta(seconds=5))
async def fetch_slowly(url: str) -> int:
    return len(url)


@register_task("task1")
@task_framework(retries=3)
def task1(data: str) -> str:
    return data


@register_task("task2")
def task2(data: str) -> int:
    return len(data)


@register_task
def task3(data: str) -> bool:
    return bool(data)


@register_task("task4")
async def task4(data: str) -> bytes:
    return data.encode()


@register_task
async def task5(data: str) -> bytes:
    return data.encode()


@register_task("task6")
@task_framework
async def task6(data: str) -> bytes:
    return data.encode()


@task_framework
def sketch(data):  # type: ignore[no-untyped-def]  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]
    """As the user's sketch writes it: without any annotation."""
    return data  # pyright: ignore[reportUnknownVariableType]


# A plain call

assert_type(bare(7), str)
assert_type(called(7), str)
assert_type(process_order(7, fast=True), str)
assert_type(many(1, 2, 3), None)
assert_type(growing(), dict[str, int])
assert_type(task1("x"), str)
assert_type(task2("x"), int)
assert_type(task3("x"), bool)


async def awaited() -> None:
    assert_type(await fetch("x"), int)
    assert_type(await task4("x"), bytes)
    assert_type(await fetch.adelay("x"), TaskResult[int])
    assert_type(await process_order.adelay(7, fast=True), TaskResult[str])
    assert_type(await process_order.options(delay=5).adelay(7), TaskResult[str])
    assert_type(await (await process_order.adelay(7)).aget(), str)


coroutine: Coroutine[Any, Any, int] = fetch("x")
slow_coroutine: Coroutine[Any, Any, int] = fetch_slowly("x")


# A call that is sent

assert_type(bare.delay(7), TaskResult[str])
assert_type(called.delay(order_id=7), TaskResult[str])
assert_type(process_order.delay(7, fast=True), TaskResult[str])
assert_type(many.delay(1, 2), TaskResult[None])
assert_type(growing.delay(), TaskResult[dict[str, int]])
assert_type(by_policy.delay(), TaskResult[None])
assert_type(by_name.delay(), TaskResult[None])
assert_type(fetch.delay("x"), TaskResult[int])
assert_type(fetch_slowly.delay("x"), TaskResult[int])
assert_type(task1.delay("x"), TaskResult[str])
assert_type(task2.delay("x"), TaskResult[int])
assert_type(task3.delay("x"), TaskResult[bool])
assert_type(task4.delay("x"), TaskResult[bytes])
assert_type(task5.delay("x"), TaskResult[bytes])
assert_type(task6.delay("x"), TaskResult[bytes])

assert_type(process_order.options(queue="bulk", priority=7).delay(7), TaskResult[str])
assert_type(process_order.options(delay=timedelta(minutes=5), id="x").delay(7), TaskResult[str])
assert_type(process_order.options(expires=datetime.now(UTC)).delay(7), TaskResult[str])
assert_type(process_order.delay_many([(1,), (2,)]), list[TaskResult[str]])
assert_type(process_order.options(delay=1).delay_many([(1,)]), list[TaskResult[str]])
assert_type(process_order.apply_async((7,), countdown=3), TaskResult[str])
assert_type(fetch.delay_many([("x",)]), list[TaskResult[int]])
assert_type(fetch.delay_many([("x",)], progress=print), list[TaskResult[int]])


# Calls that wait for a commit


class OnCommit:
    def on_commit(self, func: Callable[[], object], using: str | None = None) -> None: ...


def waits(
    session: Session,
    scoped: scoped_session[Session],
    asynchronous: AsyncSession,
    async_scoped: async_scoped_session[AsyncSession],
) -> None:
    assert_type(process_order.options(after_commit=session).delay(7), TaskResult[str])
    assert_type(fetch.options(after_commit=scoped).delay("x"), TaskResult[int])
    for transaction in (asynchronous, async_scoped, OnCommit()):
        with after_commit(transaction):
            assert_type(process_order.delay(7), TaskResult[str])


def what_is_not_queued(error: SendError) -> None:
    assert_type(error.ids, tuple[str, ...])
    assert_type(error.confirmed, frozenset[str])
    assert_type(error.in_doubt, frozenset[str])
    assert_type(error.not_sent, frozenset[str])
    assert_type(error.committed, bool)


# A result

assert_type(process_order.result("an-id"), TaskResult[str])
assert_type(process_order.delay(7).get(timeout=5), str)
assert_type(fetch.delay("x").get(), int)
assert_type(TaskResult.wait_for([bare.delay(1), called.delay(2)]), list[str])
assert_type(bare.delay(7).state, str)
assert_type(bare.delay(7).id, str)
assert_type(bare.delay(7).attempts, int)


# Handles and the rest

plain: Task[[int], str] = bare
asynchronous: AsyncTask[[str], int] = fetch
either: list[TaskHandle[..., Any]] = [bare, fetch, TASK_REGISTRY["task1"]]
call: Call[[str], int] = fetch.options(delay=1)

assert_type(execute_dynamic_workflow(["task1", "task2"], "Sample Data"), WorkflowResult)
assert_type(execute_dynamic_workflow(["task1"], 1).steps()[0].attempts, int)
assert_type(register_policy("network", RetryPolicy(retries=5)), RetryPolicy)
assert_type(current_attempt(), Attempt)
assert_type(current_attempt().number, int)


# The test kit: a task is given as it is or by its name; values may be matchers


def test_kit(fw_broker: FakeBroker, fw_eager: Eager) -> None:
    for seen in (fw_broker, fw_eager):
        assert_type(seen.assert_sent(bare, 7, queue="bulk", delay=timedelta(minutes=1)), Message)
        assert_type(seen.assert_sent("orders.bare", order_id=ANY), Message)
        seen.assert_not_sent(fetch, "x")
        assert_type(seen.assert_dead(fetch, error=OSError), DeadLetter)
        seen.assert_dead("orders.fetch", error=re.compile("no route"))
        assert_type(seen.assert_retried(bare, waits=[3, 9.0, timedelta(seconds=27)]), list[float])
        seen.assert_idempotent(called, 7, probe=lambda: [1])
        assert_type(seen.replay(*seen.dead, "an-id"), list[DeadLetter])


def body() -> None:
    if current_attempt().number > 2:
        raise GiveUp("why")
    raise RetryLater(timedelta(seconds=5))
