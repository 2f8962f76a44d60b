"""Everything that fw can refuse, in one tree.

A message is built by its class from typed facts, never written at the call site: what happened
with the value, why it matters, and one line to copy that mends it. Classes that stand for a wrong
argument also derive from the builtin that Python would raise: ``except TypeError`` keeps working.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from typing import Any, Self


class FrameworkError(Exception):
    """The root of every error that fw raises.

    Attributes:
        what: What happened, with the value.
        why: Why that matters.
        fix: One line to copy.
    """

    def __init__(self, what: str, why: str, fix: str) -> None:
        self.what = what
        self.why = why
        self.fix = fix
        super().__init__(f"{what}\n{why}\nFix: {fix}")

    def __str__(self) -> str:
        return f"{self.what}\n{self.why}\nFix: {self.fix}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    cls: type[FrameworkError], args: tuple[Any, ...], facts: dict[str, Any]
) -> FrameworkError:
    """Make an error again in another process, whatever its own constructor asks for."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


def nearest(name: object, known: Iterable[str]) -> list[str]:
    """The known names that look most like ``name``, best first.

    >>> nearest("biling", ["default", "bulk", "billing"])
    ['billing']
    """
    if not isinstance(name, str):  # a mapping may be asked for any key
        return []
    return get_close_matches(name, list(known), n=3, cutoff=0.6)


def _did_you_mean(matches: list[str]) -> str:
    return f" Did you mean {' or '.join(map(repr, matches))}?" if matches else ""


# Raised while modules are imported.


class DeclarationError(FrameworkError, TypeError):
    """A function cannot be a task as it is written; raised by the decorator."""


class DuplicateTaskError(FrameworkError, ValueError):
    """Two functions claim one task name; raised by the decorator."""

    def __init__(self, *, name: str, first: str, second: str) -> None:
        self.name = name
        self.first = first
        self.second = second
        super().__init__(
            f"Two functions claim the task name {name!r}: {first} and {second}.",
            "Messages carry the name, so a worker could run the wrong one.",
            f'give one of them name="{name}_v2".',
        )


class PolicyError(FrameworkError, ValueError):
    """A retry policy has a value that cannot be kept; raised by the decorator."""


class SettingsError(FrameworkError, ValueError):
    """A setting is missing or has a value that cannot work; raised when settings are read."""


class MissingServerError(SettingsError):
    """FW_REQUIRE_SERVERS is set, and a URL of RabbitMQ or PostgreSQL is not."""

    def __init__(self, *, missing: list[str]) -> None:
        self.missing = missing
        examples = {
            "FW_BROKER_URL": "amqp://user:password@host:5672//",
            "FW_DATABASE_URL": "postgresql://user:password@host/name",
        }
        super().__init__(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set to a server, "
            "and FW_REQUIRE_SERVERS is set.",
            "Without a server messages and results would be files in this container, which nobody "
            "else can reach and which end with it.",
            " ".join(f"{name}={examples[name]}" for name in missing),
        )


class TaskModuleError(FrameworkError, ImportError):
    """A module named in FW_TASK_MODULES cannot be imported; raised when a worker starts."""

    def __init__(self, *, module: str, cause: BaseException) -> None:
        self.module = module
        super().__init__(
            f"The task module {module!r} cannot be imported: {type(cause).__name__}: {cause}"
            f"{_raised_at(cause)}",
            "A worker that starts without it would refuse every message of its tasks.",
            f'python -c "import {module}" must succeed where the worker runs; '
            "correct the name in FW_TASK_MODULES, or install what it needs.",
        )


def _raised_at(error: BaseException) -> str:
    """The line of the team's code that raised ``error``; a SyntaxError says it itself."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        ours = file.startswith("<frozen") or "/importlib/" in file or "task_modules" in file
        if not ours and not isinstance(error, SyntaxError):
            place = f" ({file}:{trace.tb_lineno})"
        trace = trace.tb_next
    return place


# Raised by a call.


class CallError(FrameworkError, TypeError):
    """The arguments of a call do not fit the task; nothing was sent."""


class MessageError(CallError):
    """The arguments of a message do not fit the task; another attempt would get the same ones."""


class OptionError(FrameworkError, ValueError):
    """An option of a call has a value that cannot be kept; nothing was sent."""


class WorkflowError(FrameworkError, ValueError):
    """A workflow is not a list of steps; nothing was sent."""


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
            f"No task is named {name!r}.{_did_you_mean(self.matches)}",
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
            f"Its messages would wait for ever.{_did_you_mean(self.matches)}",
            f'queue="{self.matches[0]}", or {add}.' if self.matches else f"{add}.",
        )


class SendError(FrameworkError):
    """A call could not be confirmed as queued.

    Attributes:
        task_id: The id of the first call that was not confirmed; ``task.options(id=...)`` sends
            it again as the same call.
        calls: The ids of all calls that were sent together, with the names of their tasks.
        ids: The ids of all calls that were sent together, in their order.
        confirmed: The ids of those that are queued.
        in_doubt: The ids of those that may be queued.
        not_sent: The ids of those that are not.
        committed: Whether they were sent for a transaction, which is committed and stays so.
        broker: Where they were sent, without the password.
    """

    def __init__(
        self,
        *,
        broker: str,
        cause: str,
        task: str = "",
        task_id: str = "",
        calls: Mapping[str, str] | None = None,
        confirmed: AbstractSet[str] = frozenset(),
        in_doubt: AbstractSet[str] = frozenset(),
        fix: str = "",
        committed: bool = False,
    ) -> None:
        self.calls = {task_id: task} if calls is None else dict(calls)
        self.ids = tuple(self.calls)
        self.confirmed = frozenset(confirmed)
        self.in_doubt = frozenset(in_doubt) - self.confirmed
        self.not_sent = frozenset(self.ids) - self.confirmed - self.in_doubt
        open_ids = self._open()
        self.task_id = open_ids[0] if open_ids else ""
        self.task = self.calls.get(self.task_id, "")
        self.broker = broker
        self.cause = cause
        self.committed = committed
        self._own_fix = fix
        super().__init__(*self._parts())

    def after_commit(self) -> Self:
        """The same error of calls that were sent for a transaction, after its commit."""
        return type(self)(
            calls=self.calls,
            confirmed=self.confirmed,
            in_doubt=self.in_doubt,
            broker=self.broker,
            cause=self.cause,
            fix=self._own_fix,
            committed=True,
        )

    def _parts(self) -> tuple[str, str, str]:
        raise NotImplementedError

    def _counted(self) -> str:
        """What became of calls that were sent together."""
        fates = [
            f"{len(ids):,} {fate}"
            for fate, ids in (
                ("queued", self.confirmed),
                ("in doubt", self.in_doubt),
                ("not sent", self.not_sent),
            )
            if ids
        ]
        return f"{len(self.ids):,} calls: {', '.join(fates)}"

    def _which(self) -> str:
        """The calls that are not known to be queued, with their ids."""
        ids = self._open()
        more = f" and {len(ids) - 10:,} more" if len(ids) > 10 else ""
        return ", ".join(f"{self.calls[task_id]} {task_id}" for task_id in ids[:10]) + more

    def _open(self) -> list[str]:
        return [task_id for task_id in self.ids if task_id not in self.confirmed]

    def _stands(self) -> str:
        return (
            "The transaction is committed and stays so: do not repeat it. "
            if self.committed
            else ""
        )


_SEND_REST = (
    "for call, id in zip(calls, error.ids): "
    "id in error.confirmed or task.options(id=id).delay(*call)"
)


class NotSent(SendError):  # noqa: N818 - the contract's name: it reads as what happened
    """Nothing was queued, or not all of many calls: the broker did not take the rest."""

    def _parts(self) -> tuple[str, str, str]:
        check = "check that the broker runs and FW_BROKER_URL is right, then send again."
        many = len(self.ids) > 1
        if many or self.committed:
            what = (
                f"Not sent: {self._which()}: the broker {self.broker} did not take "
                f"{'them' if many else 'it'} ({self.cause}). {self._counted() if many else ''}"
            ).rstrip()
            why = "What was not sent will not run."
            if many and not self.committed:
                check = _SEND_REST
        else:
            what = (
                f"{self.task} was not sent: the broker {self.broker} did not take it "
                f"({self.cause})."
            )
            why = "Nothing was queued, so the task will not run."
        return what, self._stands() + why, self._own_fix or check


class MaybeSent(SendError):  # noqa: N818 - the contract's name: it reads as what happened
    """No confirm came in time: the message may be queued, or may not."""

    def __init__(
        self,
        *,
        broker: str,
        cause: str,
        task: str = "",
        task_id: str = "",
        calls: Mapping[str, str] | None = None,
        confirmed: AbstractSet[str] = frozenset(),
        in_doubt: AbstractSet[str] | None = None,
        fix: str = "",
        committed: bool = False,
    ) -> None:
        calls = {task_id: task} if calls is None else calls
        super().__init__(
            calls=calls,
            confirmed=confirmed,
            in_doubt=frozenset(calls) if in_doubt is None else in_doubt,
            broker=broker,
            cause=cause,
            fix=fix,
            committed=committed,
        )

    def _parts(self) -> tuple[str, str, str]:
        again = "sending it again as a new call could run it twice."
        if len(self.ids) > 1:
            what = (
                f"May have been sent: {self._which()}: the broker {self.broker} did not confirm "
                f"them ({self.cause}). {self._counted()}"
            )
            fix = _SEND_REST
        else:
            what = (
                f"{self.task} may have been sent: the broker {self.broker} did not confirm it "
                f"({self.cause})."
            )
            fix = f'send it again under the same id: task.options(id="{self.task_id}").delay(...)'
        return what, f"{self._stands()}It may be queued; {again}", fix


class BrokerUnreachable(FrameworkError):  # noqa: N818 - reads as what happened
    """The broker, or its management API, does not answer an operator.

    Attributes:
        server: Where it should be, without the password.
        setting: What says so.
    """

    def __init__(self, *, server: str, setting: str, cause: str) -> None:
        self.server = server
        self.setting = setting
        self.cause = cause
        super().__init__(
            f"{server} does not answer: {cause}.",
            "What this command needs is kept there.",
            f"start it, or correct {setting}.",
        )


# Raised in an attempt; a caller meets them by name in TaskFailed.


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
            f"{_did_you_mean(self.matches)}",
            "It is kept as a dead letter, to be replayed once a worker knows the task.",
            "add the task's module to FW_TASK_MODULES, or deploy the worker with the new code.",
        )


# Raised by commands.


class UnknownDeadLetter(FrameworkError, KeyError):  # noqa: N818 - reads as what happened
    """A command names a dead letter that is not there."""

    def __init__(self, *, name: str) -> None:
        self.name = name
        super().__init__(
            f"No dead letter has the id {name!r}, and none is of a call with that id.",
            "It may be waiting in the broker still, or have been deleted after its time.",
            "fw dead list --state all",
        )


class ReplayRunning(FrameworkError):  # noqa: N818 - reads as what happened
    """Dead letters are being replayed by another command."""

    def __init__(self) -> None:
        super().__init__(
            "Another replay of dead letters is under way.",
            "Two at once would send the same letters twice.",
            "wait until it has ended, then look what is left: fw dead list",
        )


class ReplayStopped(FrameworkError):  # noqa: N818 - reads as what happened
    """A replay stopped before its end: the broker did not take a message.

    Attributes:
        sent: How many dead letters had been sent by then.
        in_doubt: How many more may have been sent.
        broker: Where, without the password.
        cause: Why, in a few words.
    """

    def __init__(self, *, sent: int, in_doubt: int, broker: str, cause: str, fix: str = "") -> None:
        self.sent = sent
        self.in_doubt = in_doubt
        self.broker = broker
        self.cause = cause
        doubt = f" and {in_doubt} may be" if in_doubt else ""
        super().__init__(
            f"The replay stopped at {broker}: {cause}. {sent} were sent{doubt}.",
            "The rest are still dead letters; the next replay sends them"
            + (", and under the same ids those that may be sent." if in_doubt else "."),
            fix or f"check that {broker} runs and can be reached, then say it again.",
        )


# Raised when a result is read.


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
            f"fw result {task_id} shows all that is known of it.",
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
