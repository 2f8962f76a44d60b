"""A call that succeeds, one that is tried again, one that fails for good; ``async def`` too."""

from __future__ import annotations

import asyncio

from scenario import fails, scenario, succeeds

from fw_core import GiveUp, current_attempt, register_task, task_framework
from fw_core.client import current_app


@task_framework(retries=2, backoff=[0.1], jitter=0)
def pays(succeeds_on: int) -> str:
    if current_attempt().number < succeeds_on:
        raise ConnectionError("no route")
    return "paid"


@scenario(succeeds("pays(1)", "'paid'"))
def a_call_that_succeeds():
    pays.delay(1)


@scenario(
    """
    pays(2)
        1: retry in 0.1 s after ConnectionError: no route
        2: succeeded 'paid'
        result SUCCESS 'paid' after 2 attempts
    """
)
def a_call_that_is_tried_again():
    pays.delay(2)


@scenario(
    """
    pays(9)
        1: retry in 0.1 s after ConnectionError: no route
        2: retry in 0.1 s after ConnectionError: no route
        3: failed ConnectionError: no route
        result FAILURE ConnectionError: no route after 3 attempts
        dead retries-spent: the last of 3 attempts failed
    """
)
def a_call_whose_retries_are_spent():
    pays.delay(9)


@scenario(
    """
    pays(2)
        1: retry in 0.1 s after ConnectionError: no route
        2: succeeded 'paid'
        result SUCCESS 'paid' after 2 attempts
    pays(1)
        1: succeeded 'paid'
        result SUCCESS 'paid'
    pays(1)
        1: succeeded 'paid'
        result SUCCESS 'paid'
    """
)
def many_calls_in_one_round():
    pays.delay_many([(1,), (2,), (1,)])


@task_framework(retries=3)
def refuses(reason: str) -> None:
    raise GiveUp(reason)


@scenario(fails("refuses('no order')", "fw_core.GiveUp: no order", "gave-up: the task gave up"))
def a_body_that_gives_up():
    refuses.delay("no order")


@task_framework(retries=1, backoff=[0.1], jitter=0)
async def fetches(succeeds_on: int) -> str:
    await asyncio.sleep(0)
    if current_attempt().number < succeeds_on:
        raise TimeoutError("slow")
    return "fetched"


@scenario(succeeds("fetches(1)", "'fetched'"))
def an_async_task():
    fetches.delay(1)


@scenario(
    """
    fetches(3)
        1: retry in 0.1 s after TimeoutError: slow
        2: failed TimeoutError: slow
        result FAILURE TimeoutError: slow after 2 attempts
        dead retries-spent: the last of 2 attempts failed
    """
)
def an_async_task_that_fails():
    fetches.delay(3)


@task_framework(retries=0)
async def gathers() -> None:
    async def refuses_inside() -> None:
        raise GiveUp("one of them")

    async with asyncio.TaskGroup() as group:
        group.create_task(refuses_inside())


@scenario(fails("gathers()", "fw_core.GiveUp: one of them", "gave-up: the task gave up"))
def a_signal_inside_a_task_group_means_the_same():
    gathers.delay()


@scenario(succeeds("fetches(1)", "'fetched'"))
def a_call_from_async_code():
    asyncio.run(_sends_async())


async def _sends_async() -> None:
    await fetches.adelay(1)


@register_task("scenarios.named")
@task_framework
def has_a_name(data: str) -> str:
    return f"named {data}"


@register_task("scenarios.plain")
def is_plain(data: str) -> str:
    return f"plain {data}"


@scenario(succeeds("scenarios.named('x')", "'named x'"))
def a_task_with_a_name_of_its_own():
    has_a_name.delay("x")


@scenario(succeeds("scenarios.plain('x')", "'plain x'"))
def a_plain_function_that_was_registered():
    is_plain.delay("x")


@scenario(succeeds("scenarios.named('by name')", "'named by name'"))
def a_call_by_name_through_the_app():
    current_app().send_task("scenarios.named", ("by name",))


@scenario(succeeds("scenarios.named(data='by key')", "'named by key'"))
def a_call_by_name_with_named_arguments():
    current_app().send_task("scenarios.named", kwargs={"data": "by key"})


@scenario(succeeds("pays(1)", "'paid'"))
def celery_s_own_form_of_a_call():
    pays.apply_async((1,))


@scenario(succeeds("pays(1)", "'paid'"))
def a_signature_that_is_sent():
    pays.s(1).delay()


@task_framework
def tells_its_attempt() -> list[object]:
    attempt = current_attempt()
    left = (attempt.deadline.tzinfo is not None, attempt.redelivered)
    return [attempt.task, attempt.number, attempt.of, attempt.queue, *left]


@scenario(
    """
    tells_its_attempt()
        1: succeeded ['tells_its_attempt', 1, 4, 'default', True, False]
        result SUCCESS ['tells_its_attempt', 1, 4, 'default', True, False]
    """
)
def what_a_body_knows_of_its_attempt():
    tells_its_attempt.delay()


@task_framework(retries=1, backoff=[0.1], jitter=0, queue="mail")
def tells_its_second_attempt() -> list[object]:
    attempt = current_attempt()
    if attempt.number == 1:
        raise ConnectionError(f"{attempt.number} of {attempt.of}")
    return [attempt.number, attempt.of, attempt.queue, attempt.redelivered]


@scenario(
    """
    tells_its_second_attempt() to mail
        1: retry in 0.1 s after ConnectionError: 1 of 2
        2: succeeded [2, 2, 'mail', False]
        result SUCCESS [2, 2, 'mail', False] after 2 attempts
    """
)
def what_a_body_knows_of_its_second_attempt():
    tells_its_second_attempt.delay()


@task_framework
def has_ids() -> bool:
    attempt = current_attempt()
    return bool(attempt.task_id and attempt.message_id)


@scenario(succeeds("has_ids()", "True"))
def an_attempt_has_the_ids_of_its_call_and_of_its_message():
    has_ids.delay()
