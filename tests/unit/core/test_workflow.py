"""Workflows by name: checked as a whole before anything is sent."""

from __future__ import annotations

from datetime import date

import pytest

from fw_core import (
    CallError,
    UnknownTaskError,
    WorkflowError,
    execute_dynamic_workflow,
    register_task,
    task_framework,
)


@pytest.fixture
def steps(fw_eager):
    """The user's sketch, with its data."""

    @register_task("task1")
    @task_framework(retries=3)
    def task1(data):
        return f"Task1 result: {data}"

    @register_task("task2")
    @task_framework(retries=2)
    def task2(data):
        return f"Task2 result: {data}"

    return fw_eager


def test_corrects_the_users_sketch_each_step_gets_the_result_before_it(steps):
    """The sketch gives every step the data too: its second step gets two arguments, and fails."""
    result = execute_dynamic_workflow(["task1", "task2"], "Sample Data")

    assert result.get(timeout=0) == "Task2 result: Task1 result: Sample Data"


def test_corrects_the_users_sketch_an_unknown_task_is_not_dropped_in_silence(steps):
    with pytest.raises(UnknownTaskError) as caught:
        execute_dynamic_workflow(["task1", "taks2"], "Sample Data")

    assert "task2" in caught.value.matches
    assert not steps.ran


def test_one_step_is_a_workflow_too(steps):
    assert execute_dynamic_workflow(["task1"], "x").get(timeout=0) == "Task1 result: x"


def test_a_step_may_come_again(steps):
    result = execute_dynamic_workflow(["task1", "task1"], "x")

    assert result.get(timeout=0) == "Task1 result: Task1 result: x"


def test_the_steps_may_be_a_tuple(steps):
    assert execute_dynamic_workflow(("task1",), "x").get(timeout=0) == "Task1 result: x"


@pytest.mark.parametrize("steps_given", ["task1", [], (), [1], [None], ["task1", 2]])
def test_what_is_no_list_of_names_is_refused(steps, steps_given):
    with pytest.raises(WorkflowError):
        execute_dynamic_workflow(steps_given, "x")

    assert not steps.ran


def test_data_that_does_not_fit_the_first_task_is_refused(fw_eager):
    @register_task("count")
    def count(n: int) -> int:
        return n

    with pytest.raises(CallError, match="argument 'n' must be int, got 'x'"):
        execute_dynamic_workflow(["count"], "x")

    assert not fw_eager.ran


def test_a_step_that_cannot_take_a_result_is_refused_by_its_number(steps):
    @register_task("pair")
    def pair(one, two): ...

    with pytest.raises(CallError) as caught:
        execute_dynamic_workflow(["task1", "pair"], "x")

    assert caught.value.what.startswith("Step 2, pair, cannot take the result of the step before")
    assert not steps.ran


def test_a_step_gets_the_type_that_it_declares(fw_eager):
    @register_task("start")
    def start(day: date) -> date:
        return day

    @register_task("name_of")
    def name_of(day: date) -> str:
        return type(day).__name__

    assert execute_dynamic_workflow(["start", "name_of"], date(2026, 1, 1)).get(timeout=0) == "date"


def test_a_step_that_fails_ends_the_workflow(fw_eager):
    @register_task("fails")
    @task_framework(retries=0)
    def fails(data):
        raise ValueError("no")

    @register_task("after")
    def after(data): ...

    execute_dynamic_workflow(["fails", "after"], "x")

    assert [ran.task for ran in fw_eager.ran] == ["fails"]
