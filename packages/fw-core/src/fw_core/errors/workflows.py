"""Of a workflow that a message was to start, or that was started: what cannot be done with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fw_core.errors.calling import Problem, WorkflowError, listed
from fw_core.errors.framework_error import FrameworkError


class StartError(WorkflowError):
    """A message in the queue of workflows starts none; it is kept as a dead letter.

    Attributes:
        problems: Its mistakes, those of its plan included.
        workflow_id: The id that the workflow would have had; None: it cannot be read.
    """

    def __init__(self, problems: Iterable[Problem], *, workflow_id: str | None = None) -> None:
        self.problems = tuple(replace(each, path=each.path or "its body") for each in problems)
        self.workflow_id = workflow_id
        super().__init__(
            listed("The message", self.problems),
            "It starts no workflow, and is kept as a dead letter as it came.",
            self.problems[0].fix,
        )


class UnknownWorkflow(FrameworkError, LookupError):  # noqa: N818 - reads as what happened
    """No workflow has this id."""

    def __init__(self, *, workflow_id: str) -> None:
        self.workflow_id = workflow_id
        super().__init__(
            f"No workflow has the id {workflow_id!r}.",
            "Its state is kept under the id that it was started with, until it is old.",
            "fw workflow list",
        )


class WorkflowCancelled(FrameworkError):  # noqa: N818 - reads as what happened
    """A workflow was cancelled: none of its steps begins any more."""

    def __init__(self, *, workflow_id: str) -> None:
        self.workflow_id = workflow_id
        super().__init__(
            f"The workflow {workflow_id} was cancelled.",
            "What ran then was let come to its end; what was to follow is not run.",
            f"fw workflow show {workflow_id} shows how far it came.",
        )


class NothingToRetry(FrameworkError):  # noqa: N818 - reads as what happened
    """A workflow was to be continued that has no failed step that can be."""

    def __init__(self, *, workflow_id: str, why: str) -> None:
        self.workflow_id = workflow_id
        super().__init__(
            f"The workflow {workflow_id} cannot be continued: {why}.",
            "It is continued from the steps that failed, by their dead letters.",
            f"fw workflow show {workflow_id}",
        )
