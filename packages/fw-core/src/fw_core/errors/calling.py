"""At a call: it cannot be kept as it is written, and nothing was sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fw_core.errors.framework_error import FrameworkError
from fw_core.errors.near_names import did_you_mean, nearest


class CallError(FrameworkError, TypeError):
    """The arguments of a call do not fit the task; nothing was sent."""


class MessageError(CallError):
    """The arguments of a message do not fit the task; another attempt would get the same ones."""


class OptionError(FrameworkError, ValueError):
    """An option of a call has a value that cannot be kept; nothing was sent."""


class WorkflowError(FrameworkError, ValueError):
    """A workflow is not a list of steps; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a plan.

    Attributes:
        path: Where it is: ``steps[2].parallel[0]``; empty: the plan itself.
        what: What is wrong there.
        fix: What to write instead.
        error: The same where one call or one list of names is wrong.
    """

    path: str
    what: str
    fix: str
    error: FrameworkError | None = None

    def __str__(self) -> str:
        return f"{self.path or 'the plan'}: {self.what}"


class PlanError(WorkflowError):
    """A plan has mistakes; all that were found are named, and nothing was sent.

    Attributes:
        problems: The mistakes, in the order of the plan.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            listed("The plan", self.problems),
            "A plan is checked as a whole, so that none is found in the middle of a run.",
            self.problems[0].fix,
        )


def listed(whole: str, problems: Sequence[Problem]) -> str:
    """What is wrong with a whole: its one mistake in a line, or a list of them."""
    count = len(problems)
    if count == 1:
        return f"{whole} has a mistake at {problems[0]}"
    shown = [f"  {each} (Fix: {each.fix})" for each in problems[:_MOST_SHOWN]]
    more = [f"  and {count - _MOST_SHOWN} more"] if count > _MOST_SHOWN else []
    return "\n".join([f"{whole} has {count} mistakes:", *shown, *more])


class ConditionError(FrameworkError, TypeError):
    """A plan asks something of a result that has no answer: the step ends as failed."""


_MOST_SHOWN = 20


class UnknownTaskError(FrameworkError, KeyError):
    """No task has this name; nothing was sent.

    Attributes:
        matches: The nearest known names, best first.
    """

    def __init__(self, *, name: str, known: Iterable[str]) -> None:
        self.name = name
        names = sorted(known)
        self.matches = nearest(name, names)
        listed = ", ".join(names[:10]) or "none: no module with tasks has been imported"
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        if self.matches:
            fix = f"use {self.matches[0]!r}."
        else:
            fix = "import the module that declares the task, or correct the name."
        super().__init__(
            f"No task is named {name!r}.{did_you_mean(self.matches)}",
            f"A message for it would find no worker. Known tasks: {listed}{more}.",
            fix,
        )


class UnknownQueueError(FrameworkError, ValueError):
    """No worker declares this queue; raised by the decorator or the call.

    Attributes:
        matches: The nearest known queues, best first.
    """

    def __init__(self, *, queue: str, known: Iterable[str], user: str) -> None:
        self.queue = queue
        queues = sorted(known)
        self.matches = nearest(queue, queues)
        add = f"add {queue!r} to queues in [tool.fw] (or FW_QUEUES)"
        super().__init__(
            f"{user} uses queue {queue!r}, which no worker declares ({', '.join(queues)}).",
            f"Its messages would wait for ever.{did_you_mean(self.matches)}",
            f'queue="{self.matches[0]}", or {add}.' if self.matches else f"{add}.",
        )
