"""Lines that both checkers must refuse. Never run.

Each carries the two comments that silence it; a comment that silences nothing is an error itself
(mypy's ``warn_unused_ignores``, pyright's ``reportUnnecessaryTypeIgnoreComment``), so exactly these
lines fail.
"""

from __future__ import annotations

from typing import assert_type

from fw_core import (
    RetryPolicy,
    TaskResult,
    after_commit,
    execute_dynamic_workflow,
    register_task,
    task_framework,
)


@task_framework(retries=5)
def process_order(order_id: int, *, fast: bool = False) -> str:
    return f"Order {order_id} processed"


@task_framework
async def fetch(url: str) -> int:
    return len(url)


@register_task("task1")
def task1(data: str) -> str:
    return data


# Arguments of a call

process_order.delay("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
process_order.delay(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
process_order.delay()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
process_order.delay(1, 2)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
process_order.delay(1, slow=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
process_order.delay(order=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
process_order.delay(1, fast="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
process_order("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
process_order.options(delay=1).delay("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
process_order.si("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
fetch.delay(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
task1.delay(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def send() -> None:
    await process_order.adelay("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await process_order(7)  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]


# Options of a call

process_order.options(queue=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
process_order.options(delay="5m")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
process_order.options(priority="high")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
process_order.options(expires="1h")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
process_order.options(countdown=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
process_order.options(5)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]

# Results

assert_type(process_order.delay(1), TaskResult[int])  # type: ignore[assert-type]  # pyright: ignore[reportAssertTypeFailure]
number: int = process_order.delay(1).get()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
text: str = fetch("x")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
process_order.result(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
process_order.dealy(1)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

# Declarations

task_framework(retires=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
task_framework(retries="3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
task_framework(backoff="x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
task_framework(jitter=None)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
task_framework(timeout="5m")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
task_framework(retry_on=ValueError())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
task_framework(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
register_task(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
register_task("task2")(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
RetryPolicy(retries="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
RetryPolicy(retires=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

# Calls that wait for a commit

process_order.options(after_commit="default")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
after_commit(print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# Workflows

execute_dynamic_workflow([1, 2], "x")  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
execute_dynamic_workflow(["task1"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
