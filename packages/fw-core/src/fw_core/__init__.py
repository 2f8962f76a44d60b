"""fw-core: declare a background task with one decorator, send it, read its result.

>>> from fw_core import task_framework

Importing this package connects to nothing and starts nothing.
"""

from typing import TYPE_CHECKING, Any

from fw_core.attempt.current import Attempt, current_attempt
from fw_core.attempt.policy import RetryPolicy, register_policy
from fw_core.attempt.signals import GiveUp, RetryLater
from fw_core.declare.decorator import register_task, task_framework
from fw_core.declare.handle import AsyncTask, Task
from fw_core.declare.registry import TASK_REGISTRY
from fw_core.errors import (
    BlockingInTask,
    CallError,
    DeclarationError,
    DuplicateTaskError,
    FrameworkError,
    MaybeSent,
    NotSent,
    OptionError,
    PlanError,
    PolicyError,
    ResultIgnored,
    ResultStoreError,
    ResultTimeout,
    SendError,
    SettingsError,
    TaskFailed,
    UnknownQueueError,
    UnknownTaskError,
    WorkflowError,
)
from fw_core.workflow.plan import Choose, Each, Parallel, Sequence, Step
from fw_core.workflow.sequence import execute_dynamic_workflow

if TYPE_CHECKING:
    from fw_core.call.after_commit import after_commit as after_commit
    from fw_core.results.handle import TaskResult as TaskResult
    from fw_core.settings import Settings as Settings
    from fw_core.workflow.result import WorkflowResult as WorkflowResult

__all__ = [
    "TASK_REGISTRY",
    "AsyncTask",
    "Attempt",
    "BlockingInTask",
    "CallError",
    "Choose",
    "DeclarationError",
    "DuplicateTaskError",
    "Each",
    "FrameworkError",
    "GiveUp",
    "MaybeSent",
    "NotSent",
    "OptionError",
    "Parallel",
    "PlanError",
    "PolicyError",
    "ResultIgnored",
    "ResultStoreError",
    "ResultTimeout",
    "RetryLater",
    "RetryPolicy",
    "SendError",
    "Sequence",
    "Settings",
    "SettingsError",
    "Step",
    "Task",
    "TaskFailed",
    "TaskResult",
    "UnknownQueueError",
    "UnknownTaskError",
    "WorkflowError",
    "WorkflowResult",
    "after_commit",
    "current_attempt",
    "execute_dynamic_workflow",
    "register_policy",
    "register_task",
    "task_framework",
]


def __getattr__(name: str) -> Any:
    """Load what a team's app may never need, such as Celery, when it is first asked for."""
    if name == "TaskResult":
        from fw_core.results.handle import TaskResult

        return TaskResult
    if name == "after_commit":
        from fw_core.call.after_commit import after_commit

        return after_commit
    if name == "Settings":
        from fw_core.settings import Settings

        return Settings
    if name == "WorkflowResult":
        from fw_core.workflow.result import WorkflowResult

        return WorkflowResult
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
