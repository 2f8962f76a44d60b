"""Plans: side by side, for each item, chosen by a result; failed, continued and cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scenario import Condition, scenario, times_run
from scenario_recorder import watch

from fw_core import execute_dynamic_workflow, register_task, task_framework
from fw_core.client import current_app
from fw_core.workflow.state import State
from fw_worker.workflows import retry


@register_task("plans.words")
def words(text: str) -> list[str]:
    return text.split()


@register_task("plans.same")
def same(text: str) -> str:
    return text


@register_task("plans.length")
def length(word: str) -> int:
    return len(word)


@register_task("plans.any")
def anything(text: str) -> Any:
    return text


@register_task("plans.late")
@task_framework(retries=1, backoff=[0.1], jitter=0)
def late(text: str) -> int:
    if times_run() == 1:
        raise ConnectionError("late")
    return len(text)


@register_task("plans.mended")
@task_framework(retries=0, backoff=[0.1], jitter=0)
def mended(text: str) -> int:
    if times_run() == 1:
        raise ValueError(f"no {text}")
    return len(text)


@register_task("plans.total")
def total(numbers: list[int], start: int = 0) -> int:
    return sum(numbers, start)


@register_task("plans.less")
def less(number: int) -> int:
    return -number


@register_task("plans.said")
@task_framework(ignore_result=True)
def said(number: int) -> str:
    return f"said {number}"


def is_at(workflow_id: str, state: State) -> Condition:
    from fw_core.workflow import history

    return lambda: history.state_of(current_app(), workflow_id).state is state


@scenario(
    """
    plans.late('one two')
        1: retry in 0.1 s after ConnectionError: late
        2: succeeded 7
        result SUCCESS 7 after 2 attempts
    plans.length('one two')
        1: succeeded 7
        result SUCCESS 7
    plans.total([7, 7]) after its join
        1: succeeded 14
        result SUCCESS 14
    """
)
def a_plan_side_by_side_joins_its_results():
    plan = [{"parallel": ["plans.length", "plans.late"]}, "plans.total"]
    execute_dynamic_workflow(plan, "one two")


@scenario(
    """
    plans.length('a') after plans.words('a bb')
        1: succeeded 1
        result SUCCESS 1
    plans.length('bb') after plans.words('a bb')
        1: succeeded 2
        result SUCCESS 2
    plans.total([1, 2], start=5) after its join
        1: succeeded 8
        result SUCCESS 8
    plans.words('a bb')
        1: succeeded ['a', 'bb']
        result SUCCESS ['a', 'bb']
    """
)
def a_plan_for_each_item_of_a_list():
    plan = ["plans.words", {"each": "plans.length"}, {"task": "plans.total", "args": {"start": 5}}]
    execute_dynamic_workflow(plan, "a bb")


@scenario(
    """
    plans.total([]) after plans.words('')
        1: succeeded 0
        result SUCCESS 0
    plans.words('')
        1: succeeded []
        result SUCCESS []
    """
)
def a_plan_for_each_item_of_an_empty_list():
    execute_dynamic_workflow(["plans.words", {"each": "plans.length"}, "plans.total"], "")


@scenario(
    """
    fw.go_on('said 4') after plans.said(4)
        1: succeeded 'said 4'
        result SUCCESS 'said 4'
    plans.length('four')
        1: succeeded 4
        result SUCCESS 4
    plans.said(4) after plans.length('four')
        1: succeeded 'said 4'
        result SUCCESS 'said 4'
    """
)
def a_plan_that_chooses_by_a_result():
    plan = ["plans.length", {"if": {"at_least": 3}, "then": "plans.said", "else": "plans.less"}]
    execute_dynamic_workflow(plan, "four")


@scenario(
    """
    plans.length('choose')
        1: succeeded 6
        result SUCCESS 6
    """
)
def a_plan_that_chooses_nothing_goes_on():
    plan = [{"if": {"equals": "x"}, "then": "plans.same"}, "plans.length"]
    execute_dynamic_workflow(plan, "choose")


@scenario(
    """
    fw.go_on([8, 4]) after its join
        1: succeeded [8, 4]
        result SUCCESS [8, 4]
    plans.length('nest')
        1: succeeded 4
        result SUCCESS 4
    plans.length('nest')
        1: succeeded 4
        result SUCCESS 4
    plans.length('nest')
        1: succeeded 4
        result SUCCESS 4
    plans.total([4, 4]) after its join
        1: succeeded 8
        result SUCCESS 8
    """
)
def a_plan_with_joins_in_joins():
    inner = {"parallel": ["plans.length", "plans.length"]}
    execute_dynamic_workflow([{"parallel": [[inner, "plans.total"], "plans.length"]}], "nest")


@scenario(
    """
    plans.mended('own') to mail
        1: retry in 0.1 s after ValueError: no own
        2: succeeded 3
        result SUCCESS 3 after 2 attempts
    plans.said(3) after plans.mended('own')
        1: succeeded 'said 3'
        result SUCCESS 'said 3'
    """
)
def a_step_may_have_a_queue_and_retries_of_its_own():
    plan = [{"task": "plans.mended", "queue": "mail", "retries": 1}, "plans.said"]
    execute_dynamic_workflow(plan, "own")


@scenario(
    """
    plans.length('mend')
        1: succeeded 4
        result SUCCESS 4
    plans.mended('mend')
        1: failed ValueError: no mend
        1: succeeded 4
        result SUCCESS 4
        dead (replayed) retries-spent: the task has no retries
    plans.total([4, 4]) after its join
        1: succeeded 8
        result SUCCESS 8
    """
)
def a_failed_member_fails_its_workflow_and_is_continued() -> Iterator[Condition]:
    plan = [{"parallel": ["plans.mended", "plans.length"]}, "plans.total"]
    sent: Any = execute_dynamic_workflow(plan, "mend")
    yield is_at(sent.id, State.FAILED)
    yield lambda: goes_on(sent.id)
    yield is_at(sent.id, State.SUCCEEDED)


def goes_on(workflow_id: str) -> bool:
    """Continue it as soon as its dead letter is in the database."""
    from fw_core.errors import NothingToRetry

    try:
        return bool(retry(current_app(), workflow_id))
    except NothingToRetry:
        return False


@scenario(
    """
    fw.refuse(None, reason='steps[1]: runs over a list, and got str') after plans.any('none')
        1: failed fw_core.GiveUp: steps[1]: runs over a list, and got str
        result FAILURE fw_core.GiveUp: steps[1]: runs over a list, and got str
        dead gave-up: the task gave up
    plans.any('none')
        1: succeeded 'none'
        result SUCCESS 'none'
    the workflow
        result FAILURE fw_core.GiveUp: steps[1]: runs over a list, and got str after 0 attempts
    """
)
def a_part_that_cannot_run_over_a_result_fails_the_workflow():
    plan = ["plans.any", {"each": "plans.length"}, "plans.total"]
    watch("the workflow", execute_dynamic_workflow(plan, "none").id)


@scenario(
    """
    plans.length('twice')
        1: succeeded 5
        result SUCCESS 5
    plans.said(5) after plans.length('twice')
        1: succeeded 'said 5'
        result SUCCESS 'said 5'
    """
)
def a_workflow_started_twice_under_one_id_runs_once():
    for _ in range(2):
        execute_dynamic_workflow(["plans.length", "plans.said"], "twice", id="plans-twice")
