"""The framework's own steps, known to every worker and listed nowhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fw_core.attempt.policy import RetryPolicy
from fw_core.attempt.signals import GiveUp
from fw_core.declare.function import place_of
from fw_core.declare.handle import TaskHandle
from fw_core.declare.registry import TASK_REGISTRY
from fw_core.declare.spec import TaskSpec
from fw_core.workflow.links import GO_ON, REFUSE

PREFIX = "fw."
"""With this the names of the framework's own steps begin."""


def go_on(value: Any) -> Any:
    """Return what a part of a workflow came to, for whatever follows."""
    return value


def refuse(value: Any, reason: str) -> None:
    """Fail because a workflow cannot go on with what its last step returned."""
    raise GiveUp(reason)


def register() -> None:
    """Make them known."""
    for name, function in ((GO_ON, go_on), (REFUSE, refuse)):
        TASK_REGISTRY.own[name] = _handle(name, function)


def _handle(name: str, function: Any) -> TaskHandle[..., Any]:
    return TaskHandle(
        TaskSpec(
            name=name,
            function=function,
            policy=RetryPolicy(),
            ignore_result=False,
            timeout=timedelta(minutes=5),
            queue="default",
            priority=None,
            expires=None,
            place=place_of(function),
            explicit_name=True,
        )
    )
