"""Chains, groups, workflows by name, callbacks: who is called after whom, and what fails."""

from __future__ import annotations

from celery import chain, group
from scenario import scenario
from scenario_recorder import watch

from fw_core import current_attempt, execute_dynamic_workflow, register_task, task_framework
from fw_core.client import current_app


@task_framework
def adds(first: int, second: int) -> int:
    return first + second


@task_framework(retries=1, backoff=[0.1], jitter=0)
def adds_late(first: int, second: int) -> int:
    if current_attempt().number == 1:
        raise ConnectionError("late")
    return first + second


@task_framework(retries=0)
def breaks(number: int) -> int:
    raise ValueError(f"no {number}")


@register_task("scenarios.step1")
@task_framework
def step1(data: str) -> str:
    return f"{data}1"


@register_task("scenarios.step2")
@task_framework(retries=1, backoff=[0.1], jitter=0)
def step2(data: str) -> str:
    if current_attempt().number == 1:
        raise ConnectionError("late")
    return f"{data}2"


@register_task("scenarios.breaks")
@task_framework(retries=0)
def breaks_step(data: str) -> str:
    raise ValueError(f"no {data}")


@scenario(
    """
    scenarios.step1('x')
        1: succeeded 'x1'
        result SUCCESS 'x1'
    """
)
def a_workflow_of_one_step():
    execute_dynamic_workflow(["scenarios.step1"], "x")


@scenario(
    """
    scenarios.step1('a')
        1: succeeded 'a1'
        result SUCCESS 'a1'
    scenarios.step2('a1') after scenarios.step1('a')
        1: retry in 0.1 s after ConnectionError: late
        2: succeeded 'a12'
        result SUCCESS 'a12' after 2 attempts
    scenarios.step1('a12') after scenarios.step2('a1')
        1: succeeded 'a121'
        result SUCCESS 'a121'
    """
)
def a_workflow_by_name():
    execute_dynamic_workflow(["scenarios.step1", "scenarios.step2", "scenarios.step1"], "a")


@scenario(
    """
    scenarios.step1('b')
        1: succeeded 'b1'
        result SUCCESS 'b1'
    scenarios.breaks('b1') after scenarios.step1('b')
        1: failed ValueError: no b1
        result FAILURE ValueError: no b1
        dead retries-spent: the task has no retries
    the workflow
        result FAILURE ValueError: no b1 after 0 attempts
    """
)
def a_step_that_fails_ends_its_workflow():
    names = ["scenarios.step1", "scenarios.breaks", "scenarios.step1"]
    watch("the workflow", execute_dynamic_workflow(names, "b").id)


@scenario("")
def an_unknown_step_sends_nothing():
    from fw_core import UnknownTaskError

    try:
        execute_dynamic_workflow(["scenarios.step1", "scenarios.stpe2"], "x")
    except UnknownTaskError:
        return
    raise AssertionError("it was sent")


@scenario(
    """
    adds(1, 1)
        1: succeeded 2
        result SUCCESS 2
    adds(2, 3) after adds(1, 1)
        1: succeeded 5
        result SUCCESS 5
    adds(5, 4) after adds(2, 3)
        1: succeeded 9
        result SUCCESS 9
    """
)
def a_chain():
    chain(adds.s(1, 1), adds.s(3), adds.s(4), app=current_app()).delay()


@scenario(
    """
    adds(1, 1)
        1: succeeded 2
        result SUCCESS 2
    adds(7, 7) after adds(1, 1)
        1: succeeded 14
        result SUCCESS 14
    """
)
def an_immutable_step_takes_no_result():
    chain(adds.s(1, 1), adds.si(7, 7), app=current_app()).delay()


@scenario(
    """
    adds_late(1, 1)
        1: retry in 0.1 s after ConnectionError: late
        2: succeeded 2
        result SUCCESS 2 after 2 attempts
    adds(2, 1) after adds_late(1, 1)
        1: succeeded 3
        result SUCCESS 3
    """
)
def a_chain_waits_for_a_step_that_is_tried_again():
    chain(adds_late.s(1, 1), adds.s(1), app=current_app()).delay()


@scenario(
    """
    breaks(1)
        1: failed ValueError: no 1
        result FAILURE ValueError: no 1
        dead retries-spent: the task has no retries
    the last step
        result FAILURE ValueError: no 1 after 0 attempts
    """
)
def a_chain_whose_first_step_fails():
    sent = chain(breaks.s(1), adds.s(1), adds.s(2), app=current_app()).delay()
    watch("the last step", sent.id)


@scenario(
    """
    adds(0, 2)
        1: succeeded 2
        result SUCCESS 2
    adds(1, 2)
        1: succeeded 3
        result SUCCESS 3
    """
)
def a_group():
    group([adds.s(0, 2), adds.s(1, 2)], app=current_app()).delay()


@scenario(
    """
    adds(3, 3)
        1: succeeded 6
        result SUCCESS 6
    breaks(2)
        1: failed ValueError: no 2
        result FAILURE ValueError: no 2
        dead retries-spent: the task has no retries
    """
)
def a_group_with_a_member_that_fails():
    group([adds.s(3, 3), breaks.s(2)], app=current_app()).delay()


@scenario(
    """
    adds(1, 1)
        1: succeeded 2
        result SUCCESS 2
    adds(2, 10) after adds(1, 1)
        1: succeeded 12
        result SUCCESS 12
    adds(2, 20) after adds(1, 1)
        1: succeeded 22
        result SUCCESS 22
    """
)
def a_group_after_a_step():
    steps = chain(adds.s(1, 1), group([adds.s(10), adds.s(20)], app=current_app()))
    steps.apply_async()


@task_framework
def notes(value: int) -> str:
    return f"noted {value}"


@scenario(
    """
    adds(4, 4)
        1: succeeded 8
        result SUCCESS 8
    notes(8) after adds(4, 4)
        1: succeeded 'noted 8'
        result SUCCESS 'noted 8'
    """
)
def a_callback():
    adds.apply_async((4, 4), link=notes.s())


@task_framework
def regrets(task_id: str) -> str:
    return "regretted"


@scenario(
    """
    breaks(4)
        1: failed ValueError: no 4
        result FAILURE ValueError: no 4
        dead retries-spent: the task has no retries
    regrets('<id>') after breaks(4)
        1: succeeded 'regretted'
        result SUCCESS 'regretted'
    """
)
def an_error_callback():
    breaks.apply_async((4,), link_error=regrets.s())


@scenario(
    """
    adds(8, 8)
        1: succeeded 16
        result SUCCESS 16
    """
)
def an_error_callback_of_a_call_that_succeeds():
    adds.apply_async((8, 8), link_error=regrets.s())


@scenario("")
def a_group_of_none():
    group([], app=current_app()).apply_async()


@scenario(
    """
    adds_late(5, 5)
        1: retry in 0.1 s after ConnectionError: late
        2: succeeded 10
        result SUCCESS 10 after 2 attempts
    notes(10) after adds_late(5, 5)
        1: succeeded 'noted 10'
        result SUCCESS 'noted 10'
    """
)
def a_callback_of_a_call_that_is_tried_again():
    adds_late.apply_async((5, 5), link=notes.s())


@scenario(
    """
    adds(1, 1) to mail
        1: succeeded 2
        result SUCCESS 2
    adds(2, 2) after adds(1, 1) to one-by-one delayed
        1: succeeded 4
        result SUCCESS 4
    """
)
def the_steps_of_a_chain_may_have_options_of_their_own():
    first = adds.s(1, 1).set(queue="mail")
    second = adds.s(2).set(queue="one-by-one", countdown=0.2)
    chain(first, second, app=current_app()).apply_async()


@scenario(
    """
    adds(1, 1)
        1: succeeded 2
        result SUCCESS 2
    breaks(2) after adds(1, 1)
        1: failed ValueError: no 2
        result FAILURE ValueError: no 2
        dead retries-spent: the task has no retries
    regrets('<id>') after breaks(2)
        1: succeeded 'regretted'
        result SUCCESS 'regretted'
    """
)
def an_error_callback_of_a_chain():
    steps = chain(adds.s(1, 1), breaks.s(), app=current_app())
    steps.apply_async(link_error=regrets.s())
