"""Tasks one after the other, chosen by name while the program runs."""

import pytest

from fw_core import (
    TASK_REGISTRY,
    CallError,
    TaskFailed,
    UnknownTaskError,
    WorkflowError,
    execute_dynamic_workflow,
    register_task,
    task_framework,
)


@pytest.fixture
def two_tasks(fw_eager):
    """Two tasks with names of their own."""

    @register_task("clean")
    @task_framework(retries=3)
    def clean(text: str) -> str:
        return text.strip()

    @register_task("shout")
    def shout(text: str) -> str:
        return text.upper()

    return clean, shout


def test_the_first_task_gets_the_data_and_each_next_one_the_result_before_it(two_tasks):
    """The result is that of the last task."""
    result = execute_dynamic_workflow(["clean", "shout"], "  hello  ")

    assert result.get() == "HELLO"


def test_register_task_makes_a_plain_function_a_task(two_tasks):
    """With the defaults; on a task it only gives the name."""
    clean, shout = two_tasks

    assert shout.name == "shout"
    assert clean.name == "clean"
    assert shout.delay("hello").get() == "HELLO"


def test_the_registry_knows_every_task_by_name(two_tasks):
    """It is a mapping, and a task found in it is the task itself."""
    clean, _ = two_tasks

    assert TASK_REGISTRY["clean"] is clean
    assert {"clean", "shout"} <= set(TASK_REGISTRY)


def test_an_unknown_name_is_an_error_with_the_nearest_names(two_tasks, fw_eager):
    """A misspelt step is never left out in silence; nothing is sent."""
    with pytest.raises(UnknownTaskError, match="Did you mean 'shout'"):
        execute_dynamic_workflow(["clean", "shuot"], "hello")
    assert fw_eager.ran == []


def test_a_step_has_to_take_one_argument(two_tasks, fw_eager):
    """It is checked before the first step is sent."""

    @register_task("add")
    def add(one: int, other: int) -> int:
        return one + other

    with pytest.raises(CallError, match="Step 2, add"):
        execute_dynamic_workflow(["clean", "add"], "hello")
    with pytest.raises(WorkflowError):
        execute_dynamic_workflow([], "hello")
    assert fw_eager.ran == []


def test_a_step_that_fails_for_good_ends_the_workflow(two_tasks, fw_eager):
    """The steps after it do not run, and the workflow's result is that failure."""

    @register_task("fail")
    @task_framework(retries=0)
    def fail(text: str) -> str:
        raise ValueError("no such text")

    result = execute_dynamic_workflow(["clean", "fail", "shout"], "hello")

    with pytest.raises(TaskFailed, match="no such text"):
        result.get()
    assert [ran.task for ran in fw_eager.ran] == ["clean", "fail"]


def test_a_step_is_retried_alone(two_tasks, fw_eager):
    """What was done before it is not done again."""
    failures = [ConnectionError()]

    @register_task("upload")
    @task_framework(retries=1)
    def upload(text: str) -> str:
        if failures:
            raise failures.pop()
        return f"uploaded {text}"

    result = execute_dynamic_workflow(["clean", "upload"], "hello")

    assert result.get() == "uploaded hello"
    assert [ran.task for ran in fw_eager.ran] == ["clean", "upload", "upload"]
