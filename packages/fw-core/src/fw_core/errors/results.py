"""When a result is read, or cannot be made."""

from __future__ import annotations

from fw_core.errors.framework_error import FrameworkError


class ResultError(FrameworkError):
    """A result cannot be given."""


class TaskFailed(ResultError):  # noqa: N818 - the contract's name: it reads as what happened
    """The task ended as a failure.

    Attributes:
        error_type: The name of the task's own error, with its module where it is no builtin.
        error_message: What that error said.
        traceback: The traceback as text, for people; it is not parsed by anything.
        attempts: How many times the task ran.
    """

    def __init__(
        self,
        *,
        task: str,
        task_id: str,
        error_type: str,
        error_message: str,
        traceback: str,
        attempts: int,
        fix: str = "",
    ) -> None:
        self.task = task
        self.task_id = task_id
        self.error_type = error_type
        self.error_message = error_message
        self.traceback = traceback
        self.attempts = attempts
        times = "once" if attempts == 1 else f"{attempts} times"
        super().__init__(
            f"{task or 'The task'} ({task_id}) ran {times} and failed: "
            f"{error_type}: {error_message}",
            "It is kept with its error; its traceback is in the attribute 'traceback'.",
            fix or f"fw result {task_id} shows all that is known of it.",
        )


class ResultTimeout(ResultError, TimeoutError):  # noqa: N818 - the contract's name
    """The task has not ended within the time given; it may still be waiting or running."""

    def __init__(self, *, task_id: str, seconds: float, state: str, fix: str = "") -> None:
        self.task_id = task_id
        self.seconds = seconds
        self.state = state
        super().__init__(
            f"No result of {task_id} within {seconds:g} s; its state is {state}.",
            "The task goes on: only the waiting has ended."
            if state != "PENDING"
            else "No worker has reported it: it may be waiting, or no worker takes its queue.",
            fix or "wait longer with get(timeout=...), or check that a worker runs: fw worker",
        )


class ResultIgnored(ResultError):  # noqa: N818 - the contract's name
    """The task was declared with ``ignore_result=True``: a success leaves nothing to read."""

    def __init__(self, *, task: str, task_id: str) -> None:
        self.task = task
        self.task_id = task_id
        super().__init__(
            f"{task or 'The task'} ({task_id}) keeps no result: it has ignore_result=True.",
            "Waiting for it would never end.",
            "remove ignore_result=True from the task whose result is needed.",
        )


class BlockingInTask(ResultError, RuntimeError):  # noqa: N818 - reads as what happened
    """A task waited for another task's result, which can leave every worker waiting."""

    def __init__(self, *, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(
            f"get() was called on {task_id} inside a running task.",
            "A worker that waits for another task holds a place that task may need: "
            "enough of them and nothing moves.",
            "run them one after the other: execute_dynamic_workflow([first, second], data)",
        )


class JoinFailed(ResultError):  # noqa: N818 - it reads as what happened
    """A task that was waited for together with others failed, so what follows them was not run.

    Attributes:
        member: The id of the task that failed.
        error: What it failed with.
        failed: How many of the tasks failed.
    """

    def __init__(self, *, task: str, member: str, error: str, failed: int) -> None:
        self.task = task
        self.member = member
        self.error = error
        self.failed = failed
        more = f" ({failed - 1} more failed as well.)" if failed > 1 else ""
        super().__init__(
            f"Not run, because {task or 'a task'} ({member}) failed: {error}{more}",
            "It needs the results of all the tasks before it.",
            f"see fw result {member}; when that is mended: fw dead replay {member} --yes",
        )


class NeverSent(ResultError):  # noqa: N818 - it reads as what happened
    """What follows a task was not run: the broker will never take its message."""

    def __init__(self, *, task: str, cause: str, fix: str) -> None:
        self.task = task
        self.cause = cause
        super().__init__(
            f"{task or 'The task'} was not run: the broker never takes its message ({cause}).",
            "It carries what the task before it returned, which has succeeded.",
            fix or "look at what the broker says of it.",
        )


class JoinSizeUnknown(ResultError):  # noqa: N818 - it reads as what happened
    """Tasks were sent to be waited for together, and their messages do not say how many."""

    def __init__(self, *, join: str) -> None:
        self.join = join
        super().__init__(
            f"Not run: the messages of the tasks before it ({join}) do not say how many they are.",
            "They were sent by an app that does not keep its results where this worker does.",
            "send them from an app that fw made.",
        )


class ResultStoreError(ResultError):
    """The database that keeps the results cannot be used.

    Attributes:
        database: Where it is, without the password.
    """

    def __init__(self, *, database: str, cause: str, fix: str) -> None:
        self.database = database
        self.cause = cause
        super().__init__(
            f"The result database {database} cannot be used: {cause}",
            "Results can be neither kept nor read until it can; tasks are still sent.",
            fix,
        )
