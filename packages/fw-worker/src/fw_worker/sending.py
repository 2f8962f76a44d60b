"""Calls that are made by a command: what was typed is checked, then sent like any other call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fw_core.declare.handle import TaskHandle
from fw_core.errors import CallError, OptionError
from fw_core.results.handle import TaskResult
from fw_core.workflow.running import run_plan
from fw_core.workflow.sequence import execute_dynamic_workflow, steps_of
from fw_core.workflow.texts import plan_from_json, plan_from_yaml
from fw_worker.typed_arguments import checked, read, typed_arguments


def send_typed(
    task: TaskHandle[..., Any],
    words: Sequence[str],
    kwargs: str | None = None,
    *,
    wait: bool = False,
    **options: Any,
) -> TaskResult[Any]:
    """Send a call of ``task`` with the arguments that were typed.

    Args:
        task: The task.
        words: Its arguments; see :func:`fw_worker.typed_arguments.typed_arguments`.
        kwargs: Named arguments as a JSON object.
        wait: Whether somebody is going to wait for the result.
        **options: As of :meth:`fw_core.declare.handle.TaskHandle.options`.

    Raises:
        CallError, OptionError, UnknownQueueError: nothing was sent.
        NotSent, MaybeSent: the call is not known to be queued.
    """
    call = typed_arguments(task, words, _object(kwargs))
    if wait:
        _check_keeps_result(task)
    return task.options(**options).delay(*call.args, **call.kwargs)


def run_typed_workflow(names: Sequence[str], data: str, *, wait: bool = False) -> TaskResult[Any]:
    """Start a workflow with the data that was typed: JSON, or plain text where it is none.

    Raises:
        UnknownTaskError, WorkflowError, CallError, OptionError: nothing was sent.
        NotSent, MaybeSent: the first step is not known to be queued.
    """
    tasks = steps_of(names)
    if wait:
        _check_keeps_result(tasks[-1])
    first = checked(tasks[0], (read(data),), {})
    return execute_dynamic_workflow(names, first.args[0])


def run_typed_plan(text: str, data: str, *, is_yaml: bool) -> TaskResult[Any]:
    """Start a workflow whose plan is written in JSON or YAML, with the data that was typed.

    Raises:
        PlanError, WorkflowError: nothing was sent.
        NotSent, MaybeSent: its first steps are not known to be queued.
    """
    plan = plan_from_yaml(text) if is_yaml else plan_from_json(text)
    return run_plan(plan, read(data))


def _object(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        value = error
    if isinstance(value, dict):
        return value
    raise CallError(
        f"--kwargs must be a JSON object, got {text!r}.",
        "Its keys are the names of the task's parameters.",
        """--kwargs '{"order_id": 7}', or order_id=7 without --kwargs.""",
    )


def _check_keeps_result(task: TaskHandle[..., Any]) -> None:
    if task.spec.ignore_result:
        raise OptionError(
            f"{task.spec.name} keeps no result (ignore_result=True), and --wait waits for one.",
            "Nothing was sent: the waiting would never end.",
            "leave out --wait; fw result ID shows a failure.",
        )
