"""Tasks that call tasks."""

from __future__ import annotations

from celery import group
from scenario import scenario

from fw_core import (
    TASK_REGISTRY,
    BlockingInTask,
    GiveUp,
    current_attempt,
    execute_dynamic_workflow,
    task_framework,
)
from fw_core.client import current_app


@task_framework
def leaf(number: int) -> int:
    return number


@task_framework(queue="mail")
def ships(number: int) -> str:
    leaf.delay(number)
    leaf.options(queue="mail").delay(number + 1)
    return "shipped"


@scenario(
    """
    ships(1) to mail
        1: succeeded 'shipped'
        result SUCCESS 'shipped'
    leaf(1) by ships(1)
        1: succeeded 1
        result SUCCESS 1
    leaf(2) by ships(1) to mail
        1: succeeded 2
        result SUCCESS 2
    """
)
def a_task_that_calls_tasks():
    ships.delay(1)


@task_framework
def counts_down(number: int) -> int:
    if number > 0:
        counts_down.delay(number - 1)
    return number


@scenario(
    """
    counts_down(2)
        1: succeeded 2
        result SUCCESS 2
    counts_down(1) by counts_down(2)
        1: succeeded 1
        result SUCCESS 1
    counts_down(0) by counts_down(1)
        1: succeeded 0
        result SUCCESS 0
    """
)
def a_task_that_calls_itself():
    counts_down.delay(2)


@task_framework(retries=1, backoff=[0.1], jitter=0)
def calls_then_fails() -> str:
    leaf.delay(100 + current_attempt().number)
    if current_attempt().number == 1:
        raise ConnectionError("after the call")
    return "done"


@scenario(
    """
    calls_then_fails()
        1: retry in 0.1 s after ConnectionError: after the call
        2: succeeded 'done'
        result SUCCESS 'done' after 2 attempts
    leaf(101) by calls_then_fails()
        1: succeeded 101
        result SUCCESS 101
    leaf(102) by calls_then_fails()
        1: succeeded 102
        result SUCCESS 102
    """
)
def what_a_failed_attempt_has_sent_stays_sent():
    calls_then_fails.delay()


@task_framework
def calls_by_name(name: str) -> str:
    TASK_REGISTRY[name].delay(7)
    return "called"


@scenario(
    """
    calls_by_name('leaf')
        1: succeeded 'called'
        result SUCCESS 'called'
    leaf(7) by calls_by_name('leaf')
        1: succeeded 7
        result SUCCESS 7
    """
)
def a_task_that_calls_a_task_by_its_name():
    calls_by_name.delay("scenarios_nested.leaf")


@task_framework
def sends_many() -> str:
    leaf.options(delay=0.2).delay_many([(8,), (9,)])
    return "sent"


@scenario(
    """
    sends_many()
        1: succeeded 'sent'
        result SUCCESS 'sent'
    leaf(8) by sends_many() delayed
        1: succeeded 8
        result SUCCESS 8
    leaf(9) by sends_many() delayed
        1: succeeded 9
        result SUCCESS 9
    """
)
def a_task_that_sends_many_calls():
    sends_many.delay()


@task_framework
def starts_a_workflow() -> str:
    execute_dynamic_workflow(["scenarios_nested.leaf", "scenarios_nested.leaf"], 5)
    return "started"


@scenario(
    """
    starts_a_workflow()
        1: succeeded 'started'
        result SUCCESS 'started'
    leaf(5) by starts_a_workflow()
        1: succeeded 5
        result SUCCESS 5
    leaf(5) after leaf(5)
        1: succeeded 5
        result SUCCESS 5
    """
)
def a_task_that_starts_a_workflow():
    starts_a_workflow.delay()


@task_framework
def starts_a_group() -> str:
    group([leaf.s(3), leaf.s(4)], app=current_app()).delay()
    return "started"


@scenario(
    """
    starts_a_group()
        1: succeeded 'started'
        result SUCCESS 'started'
    leaf(3) by starts_a_group()
        1: succeeded 3
        result SUCCESS 3
    leaf(4) by starts_a_group()
        1: succeeded 4
        result SUCCESS 4
    """
)
def a_task_that_starts_a_group():
    starts_a_group.delay()


@task_framework
async def calls_async() -> str:
    await leaf.adelay(6)
    return "called"


@scenario(
    """
    calls_async()
        1: succeeded 'called'
        result SUCCESS 'called'
    leaf(6) by calls_async()
        1: succeeded 6
        result SUCCESS 6
    """
)
def an_async_task_that_calls_a_task():
    calls_async.delay()


@task_framework
def calls_the_function() -> int:
    return leaf(12)


@scenario(
    """
    calls_the_function()
        1: succeeded 12
        result SUCCESS 12
    """
)
def a_plain_call_inside_a_task_sends_nothing():
    calls_the_function.delay()


@task_framework(retries=0)
def waits_for_another() -> str:
    try:
        leaf.delay(13).get()
    except BlockingInTask:
        raise GiveUp("it may not wait") from None
    return "waited"


@scenario(
    """
    waits_for_another()
        1: failed fw_core.GiveUp: it may not wait
        result FAILURE fw_core.GiveUp: it may not wait
        dead gave-up: the task gave up
    leaf(13) by waits_for_another()
        1: succeeded 13
        result SUCCESS 13
    """
)
def a_task_may_not_wait_for_another():
    waits_for_another.delay()
