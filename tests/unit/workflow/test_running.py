"""A plan that runs: what a failure does to it, and what mends it."""

from __future__ import annotations

import pytest

from fw_core import (
    TASK_REGISTRY,
    GiveUp,
    TaskFailed,
    execute_dynamic_workflow,
    register_task,
    task_framework,
)


@pytest.fixture
def mended(fw_broker) -> list[bool]:
    """Tasks, of which one fails until something is in this list."""
    mended: list[bool] = []

    @register_task("count")
    def count(text: str) -> int:
        return len(text)

    @register_task("fails")
    @task_framework(name="fails", retries=0)
    def fails(text: str) -> int:
        if not mended:
            raise GiveUp("not mended yet")
        return len(text)

    @register_task("total")
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @register_task("plus")
    def plus(number: int) -> int:
        return number + 1

    @register_task("unsteady")
    def unsteady(text: str) -> int:
        raise OSError("no")

    return mended


@pytest.mark.parametrize(
    ("plan", "result"),
    [
        ([{"parallel": ["fails", "count"]}, "total"], 6),
        ([{"parallel": ["fails", "count"]}, "total", "plus"], 7),
        ({"parallel": [{"parallel": ["fails", "count"]}, "count"]}, [[3, 3], 3]),
    ],
)
def test_a_failed_member_fails_the_whole_and_its_replay_lets_it_go_on(
    fw_broker, mended, plan, result
):
    sent = execute_dynamic_workflow(plan, "abc")
    fw_broker.drain()
    with pytest.raises(TaskFailed, match="not mended yet"):
        sent.get(timeout=0)

    mended.append(True)
    fw_broker.replay()
    fw_broker.drain()

    assert TASK_REGISTRY["count"].result(sent.id).get(timeout=0) == result


def test_a_result_that_cannot_be_asked_fails_the_workflow_with_the_reason(fw_broker, mended):
    plan = ["count", {"if": {"contains": "x"}, "then": "plus"}, "plus"]
    sent = execute_dynamic_workflow(plan, "abc")
    fw_broker.drain()
    with pytest.raises(TaskFailed, match=r"steps\[1\]: The result is 3, which cannot be asked"):
        sent.get(timeout=0)


def test_a_step_is_retried_as_often_as_its_plan_says(fw_broker, mended):
    execute_dynamic_workflow([{"task": "unsteady", "retries": 1}, "plus"], "abc")
    fw_broker.drain()
    fw_broker.advance(3600)
    fw_broker.drain()
    assert [ran.task for ran in fw_broker.ran] == ["unsteady"] * 2
