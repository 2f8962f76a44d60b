"""In an attempt; a caller meets them by name in ``TaskFailed``."""

from __future__ import annotations

from collections.abc import Iterable

from fw_core.errors.framework_error import FrameworkError
from fw_core.errors.near_names import did_you_mean, nearest


class TimedOut(FrameworkError, TimeoutError):  # noqa: N818 - reads as what happened
    """An attempt ran longer than the task's timeout and was stopped."""

    def __init__(self, *, task: str, seconds: float) -> None:
        self.task = task
        self.seconds = seconds
        super().__init__(
            f"{task} ran longer than its timeout of {seconds:g} s and was stopped.",
            "It counts as a failed attempt.",
            f"make it shorter, or give it more time: timeout={2 * seconds:g}",
        )


class WorkerDied(FrameworkError):  # noqa: N818 - reads as what happened
    """The process that ran an attempt ended before the attempt did."""

    def __init__(self, *, task: str, cause: str) -> None:
        self.task = task
        self.cause = cause
        super().__init__(
            f"The process that ran {task} ended before the task did: {cause}",
            "It counts as a failed attempt: a crash or a lack of memory would repeat.",
            "look for what the task did last; a killed process is often one out of memory.",
        )


class DeliveredTooOften(FrameworkError):  # noqa: N818 - reads as what happened
    """A message was delivered again and again, and no worker could say how its attempt ended."""

    def __init__(self, *, task: str, times: int) -> None:
        self.task = task
        self.times = times
        super().__init__(
            f"A message of {task} was delivered {times} times, and never came to an end.",
            "Whatever ends its workers would end the next one too, so it is not run again.",
            "see what the workers logged when they ended, such as a lack of memory.",
        )


class Expired(FrameworkError):  # noqa: N818 - reads as what happened
    """An attempt would have started after the call's ``expires``."""

    def __init__(self, *, task: str, expires: str) -> None:
        self.task = task
        self.expires = expires
        super().__init__(
            f"{task} was not run: it had to start by {expires}.",
            "A later start was said to be of no use.",
            "give it more time with expires=..., or more workers to its queue.",
        )


class LaterTooOften(FrameworkError):  # noqa: N818 - reads as what happened
    """A body asked for RetryLater more often than it said that it would."""

    def __init__(self, *, times: int) -> None:
        self.times = times
        super().__init__(
            f"The task asked to run later {times} times, and then once more.",
            "What it waits for has not come, and it said that it would not wait longer.",
            f"raise RetryLater(seconds, max_times={2 * times}), or see why nothing comes.",
        )


class NoAttemptError(FrameworkError, RuntimeError):
    """``current_attempt()`` was called where no attempt runs."""

    def __init__(self) -> None:
        super().__init__(
            "current_attempt() was called outside a running task.",
            "A plain call of the function is no attempt: it has no number and no message.",
            "call it in the task's body, and run the task with .delay(...)",
        )


class ReturnError(FrameworkError, TypeError):
    """A task's body is done, but returned what JSON cannot carry."""

    def __init__(self, *, task: str, shown: str) -> None:
        self.task = task
        super().__init__(
            f"{task} returned {shown}, which JSON cannot carry.",
            "Its work is done, but there is no result to read or to give to a next step.",
            "return plain values such as an id, or declare it with ignore_result=True.",
        )


class UnreadableMessage(FrameworkError):  # noqa: N818 - reads as what happened
    """A message in a queue of tasks is no call that a worker could read."""

    def __init__(self, *, cause: str) -> None:
        self.cause = cause
        super().__init__(
            f"A message cannot be read as a call of a task: {cause}",
            "It is kept as a dead letter, as it came; nothing was run.",
            "find who sent it (fw dead show): calls are sent by .delay(), as JSON.",
        )


class UnknownTaskMessage(FrameworkError):  # noqa: N818 - reads as what happened
    """A worker met a message for a task that it does not know."""

    def __init__(self, *, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.matches = nearest(name, known)
        super().__init__(
            f"A message asks for the task {name!r}, which this worker does not know."
            f"{did_you_mean(self.matches)}",
            "It is kept as a dead letter, to be replayed once a worker knows the task.",
            "add the task's module to FW_TASK_MODULES, or deploy the worker with the new code.",
        )
