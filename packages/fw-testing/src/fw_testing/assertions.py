"""Assertions about what was sent and what became of it; a failed one shows the nearest match."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from fw_core.declare.handle import TaskHandle
from fw_core.errors import FrameworkError, UnknownTaskError
from fw_testing.errors import (
    NotDeadAssertion,
    NotRetriedAssertion,
    NotSentAssertion,
    SentAssertion,
    WhichCall,
)
from fw_testing.expected import ExpectedCall, Task, expected_call
from fw_testing.kept_error import KeptError, error_differences
from fw_testing.nearest import nearest_first
from fw_testing.records import DeadLetter, Message
from fw_testing.seen import Seen
from fw_testing.showing import show_call
from fw_testing.stated_waits import same_waits, show_waits
from fw_testing.stories import Story, next_step, stories


class Assertions(Seen):
    """What a test can assert, with either fixture.

    A task is given as it is, or by its name. Arguments are compared by the names of their
    parameters, however the call wrote them, and after their way through JSON; what is left out
    has its default. Each may also be ``unittest.mock.ANY``, ``pytest.approx(1)``, or any other
    object that knows what it is equal to. Where a task has an argument with the name of an option
    (``queue``, ``delay``, ``id`` …), that name means the argument.
    """

    def assert_sent(
        self,
        task: Task,
        /,
        *args: Any,
        queue: Any = None,
        delay: Any = None,
        priority: Any = None,
        id: Any = None,
        **kwargs: Any,
    ) -> Message:
        """Return the call of ``task`` with these arguments that was sent.

        Args:
            task: The task, or its name.
            *args: Its arguments; without any, every call of the task will do.
            queue: The queue that it was sent to.
            delay: The delay that it was sent with: seconds or a timedelta.
            priority: Its priority.
            id: Its id.
            **kwargs: Its arguments by name.

        Raises:
            AssertionError: there is none; it shows what was sent, the nearest first.
            CallError: no call of the task can have these arguments.
            UnknownTaskError: there is no task of this name.
        """
        __tracebackhide__ = True
        options = {"queue": queue, "delay": delay, "priority": priority, "id": id}
        expected = self._expected(task, args, kwargs, options)
        sent = self._world.sent
        for message in sent:
            if message.task == expected.name and not expected.differences(message):
                return message
        raise NotSentAssertion(
            expected=str(expected),
            sent=nearest_first(expected, sent, _show),
            waiting=len(self._world.waiting()),
        )

    def assert_not_sent(
        self,
        task: Task,
        /,
        *args: Any,
        queue: Any = None,
        delay: Any = None,
        priority: Any = None,
        id: Any = None,
        **kwargs: Any,
    ) -> None:
        """Make sure that ``task`` was not sent; with arguments, not with these.

        Raises:
            AssertionError: it was; it shows with what.
            CallError: no call of the task can have these arguments.
            UnknownTaskError: there is no task of this name.
        """
        __tracebackhide__ = True
        options = {"queue": queue, "delay": delay, "priority": priority, "id": id}
        expected = self._expected(task, args, kwargs, options)
        sent = [
            _show(message)
            for message in self._world.sent
            if message.task == expected.name and not expected.differences(message)
        ]
        if sent:
            name = expected.name if expected.is_any and not expected.options else str(expected)
            raise SentAssertion(expected=name, sent=sent)

    def assert_dead(
        self,
        task: Task,
        /,
        *args: Any,
        error: type[BaseException] | BaseException | str | re.Pattern[str] | None = None,
        id: Any = None,
        **kwargs: Any,
    ) -> DeadLetter:
        """Return the dead letter of ``task``.

        Args:
            task: The task, or its name.
            *args: The arguments of the call; without any, every dead letter of the task will do.
            error: What it died of: the type of the error or one that it derives from, an error of
                the same type and text, a part of the text ``type: message``, or a pattern that is
                found in it.
            id: The id of the call.
            **kwargs: Its arguments by name.

        Raises:
            AssertionError: there is none; it shows the dead letters, the nearest first, and what
                became of the calls of the task.
            CallError: no call of the task can have these arguments.
            UnknownTaskError: there is no task of this name.
        """
        __tracebackhide__ = True
        expected = self._expected(task, args, kwargs, {"id": id, "error": error})
        wanted: KeptError = expected.options.pop("error", None)
        dead = self.dead
        ran = self._world.ran

        def of_error(letter: DeadLetter) -> list[Any]:
            return error_differences(wanted, letter, ran)

        for letter in dead:
            same = letter.task == expected.name and not expected.differences(letter)
            if same and not of_error(letter):
                return letter
        told = self._stories(expected)
        shown = f" with error={_said(wanted)}" if wanted is not None else ""
        raise NotDeadAssertion(
            expected=f"{expected}{shown}",
            dead=nearest_first(expected, dead, _show_dead, of_error),
            stories=[str(story) for story in told],
            then=next_step(told),
        )

    def assert_retried(
        self,
        task: Task,
        /,
        *args: Any,
        waits: Sequence[Any] | None = None,
        id: Any = None,
        **kwargs: Any,
    ) -> list[float]:
        """Make sure that a call was retried, and return the waits between its attempts in seconds.

        Args:
            task: The task, or its name.
            *args: The arguments of the call that is meant, if there are several.
            waits: The waits so far as the policy states them, before jitter, those of
                ``RetryLater`` included; without them, any retry will do.
            id: The id of the call that is meant.
            **kwargs: Its arguments by name.

        Raises:
            AssertionError: it was not, or after other waits; it shows its attempts. Or several
                calls are meant.
            CallError: no call of the task can have these arguments.
            UnknownTaskError: there is no task of this name.
        """
        __tracebackhide__ = True
        expected = self._expected(task, args, kwargs, {"id": id, "waits": waits})
        wanted: Sequence[Any] | None = expected.options.pop("waits", None)
        told = self._stories(expected)
        meant = [story for story in told if _is_meant(expected, story)]
        if len(meant) > 1:
            raise WhichCall(
                expected=str(expected),
                calls=[(story.id, story.name) for story in meant],
                name="assert_retried",
            )
        seconds = meant[0].seconds if meant else []
        if meant and (seconds if wanted is None else same_waits(wanted, seconds)):
            return seconds
        raise NotRetriedAssertion(
            expected=str(expected),
            waits="" if wanted is None else show_waits(wanted),
            were=_were(meant, seconds),
            stories=[str(story) for story in meant or told],
            then=next_step(meant),
        )

    def assert_idempotent(
        self, task: Task, /, *args: Any, probe: Callable[[], Any], **kwargs: Any
    ) -> None:
        """Make sure that a call leaves the same whether it runs once or twice.

        The call is sent and run with its retries and all that it sends; whatever waits runs
        before it. Then its message comes again, as when its worker died after the work and before
        anything was noted of it, and the body runs a second time.

        Args:
            task: The task, or its name.
            *args: The arguments of the call.
            probe: A function without arguments that returns what the task changes, as a value that
                can be copied and compared: ``lambda: list(mailbox)``.
            **kwargs: The arguments by name.

        Raises:
            AssertionError: the probe saw another value after the second run, both are shown; or
                the second run failed; or nothing can be proven, because the first run failed or
                the probe saw no effect of it.
            CallError: the arguments do not fit.
            UnknownTaskError: there is no task of this name.
        """
        __tracebackhide__ = True
        from fw_testing.twice import check_idempotent

        handle = self._handle(task)
        try:
            handle.arguments.encode(args, kwargs)
        except FrameworkError as error:
            raise error.with_traceback(None) from None
        check_idempotent(self._world, handle, args, kwargs, probe)

    def _handle(self, task: Task) -> TaskHandle[..., Any]:
        __tracebackhide__ = True
        if not isinstance(task, str):
            return task
        known = self._world.app.registry
        if task not in known:
            raise UnknownTaskError(name=task, known=known)
        return known[task]

    def _expected(
        self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
    ) -> ExpectedCall:
        __tracebackhide__ = True
        known = self._world.app.registry
        try:
            return expected_call(known, self._has_seen, task, args, kwargs, **options)
        except FrameworkError as error:
            raise error.with_traceback(None) from None  # it ends where the test is wrong

    def _has_seen(self, name: str) -> bool:
        world = self._world
        made = [each.task for each in world.sent] + [each.task for each in world.ran]
        return name in made or any(letter.task == name for letter in world.dead())

    def _stories(self, expected: ExpectedCall) -> list[Story]:
        world = self._world
        return stories(expected.name, world.sent, world.ran, world.waiting())


def _is_meant(expected: ExpectedCall, story: Story) -> bool:
    if story.call is None:
        return expected.is_any and expected.options.get("id", story.id) == story.id
    return not expected.differences(story.call)


def _were(meant: Sequence[Story], seconds: Sequence[float]) -> str:
    if not meant:
        return "; no such call was made"
    return f"; they were {show_waits(seconds)}" if seconds else ""


def _said(error: KeptError) -> str:
    return error.__name__ if isinstance(error, type) else repr(error)


def _show(message: Message) -> str:
    options: dict[str, Any] = {"queue": message.queue}
    if message.delay:
        options["delay"] = message.delay
    if message.priority is not None:
        options["priority"] = message.priority
    return show_call(message.task, message.args, message.kwargs, options)


def _show_dead(letter: DeadLetter) -> str:
    call = show_call(letter.task or "(no call)", letter.args, letter.kwargs)
    return f"{call}: {letter.error}".partition("\n")[0]
