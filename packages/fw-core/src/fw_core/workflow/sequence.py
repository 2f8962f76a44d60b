"""Workflows chosen at run time by the names of their tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from fw_core.declare.handle import TaskHandle
from fw_core.declare.registry import TASK_REGISTRY
from fw_core.errors import CallError, WorkflowError
from fw_core.workflow.plan import PLANS, Written, plan_of

if TYPE_CHECKING:
    from fw_core.workflow.result import WorkflowResult


def execute_dynamic_workflow(
    task_list: Sequence[str] | Written,
    data: Any,
    *,
    id: str | None = None,
) -> WorkflowResult:
    """Run tasks one after the other: the first gets ``data``, each next one the result before it.

    >>> # execute_dynamic_workflow(["task1", "task2"], "Sample Data").get()

    All of it is checked before anything is sent. When a step fails for good, the steps after it
    do not run and the workflow's result is that failure.

    Args:
        task_list: The names of the tasks, in order; or a plan with steps side by side, for each
            item of a list, or chosen by a result: see :mod:`fw_core.workflow.plan`.
        data: What the first task gets as its argument.
        id: The workflow's id, such as ``f"order-{number}"``: started twice under one id it runs
            once, and both get the same result. A new one, if not given.

    Returns:
        The result of the last task, which knows the state of the whole as well.

    Raises:
        UnknownTaskError: a name is no task's; it comes with the nearest names.
        WorkflowError: there is no step, or the id is none.
        CallError: ``data`` does not fit the first task, or a later task does not take exactly one
            argument.
        PlanError: a plan that is more than a list of names has mistakes; all are named.
        ResultStoreError: it could not be noted in the database; nothing was sent.
        NotSent, MaybeSent: the first step is not known to be queued.
    """
    if _is_more(task_list):
        from fw_core.workflow.running import run_plan

        return run_plan(plan_of(task_list), data, workflow_id=id)
    from fw_core.client import current_app
    from fw_core.workflow.running import start_workflow

    tasks = steps_of(cast("Sequence[str]", task_list))
    first, *rest = tasks
    checked = first.arguments.encode((data,), {})
    for number, task in enumerate(rest, start=2):
        _check_takes_one(task, number)
    app = current_app()
    for task in tasks:
        app.check_queue(task.spec.queue, user=f"Task {task.spec.name!r}")
    return start_workflow(app, plan_of([task.spec.name for task in tasks]), checked.args[0], id)


def _is_more(written: Any) -> bool:
    """Whether it is a plan that names alone do not say."""
    more = (Mapping, list, tuple, TaskHandle, *PLANS)
    if isinstance(written, (list, tuple)):
        return any(isinstance(each, more) for each in written)
    return isinstance(written, more)


def steps_of(task_list: Sequence[str]) -> list[TaskHandle[..., Any]]:
    """The tasks of these names, in order.

    Raises:
        UnknownTaskError, WorkflowError: see :func:`execute_dynamic_workflow`.
    """
    if isinstance(task_list, str) or not all(isinstance(name, str) for name in task_list):
        raise WorkflowError(
            f"A workflow is a list of task names, got {task_list!r}.",
            "Its steps are looked up by name, one after the other.",
            'execute_dynamic_workflow(["task1", "task2"], data)',
        )
    if not task_list:
        raise WorkflowError(
            "A workflow without steps was started.",
            "There is nothing to do with its data, and no result to wait for.",
            'execute_dynamic_workflow(["task1", "task2"], data)',
        )
    return [TASK_REGISTRY[name] for name in task_list]


def _check_takes_one(task: TaskHandle[..., Any], number: int) -> None:
    if not task.arguments.takes(1):
        raise CallError(
            f"Step {number}, {task.spec.name}, cannot take the result of the step before it: "
            f"it takes {task.arguments}.",
            "Each step gets one argument: what the step before it returned.",
            f"def {task.__name__}(result): ...",
        )
