"""What a test can do wrong with the fixtures, and what it can find."""

from __future__ import annotations

from collections.abc import Sequence

from fw_core.errors import FrameworkError


class NothingReady(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """``run_next()`` was asked to run a message and none is ready."""

    def __init__(self, *, next_in: float | None) -> None:
        self.next_in = next_in
        if next_in is None:
            super().__init__(
                "No message is waiting.",
                "Nothing was sent, or everything has run.",
                "send a call first: task.delay(...)",
            )
        else:
            super().__init__(
                f"No message is ready; the next one is due in {next_in:g} s.",
                "Delays and retries wait in virtual time, which only moves when told to.",
                f"fw_broker.advance({next_in:g})",
            )


class NeverAtRest(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """Tasks kept sending tasks without end."""

    def __init__(self, *, steps: int, last: str) -> None:
        self.steps = steps
        self.last = last
        super().__init__(
            f"After {steps:,} attempts there is still something to run; the last was {last}.",
            "A task that sends itself again, or two that send each other, never come to rest.",
            "let the task stop sending, or run_next() as often as the test needs.",
        )


class NotSentAssertion(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """A call was expected and not sent."""

    def __init__(self, *, expected: str, sent: str, waiting: int) -> None:
        self.expected = expected
        super().__init__(
            f"{expected} was not sent.",
            f"Sent were, the nearest first (expected != sent):{sent}"
            if sent
            else "Nothing was sent.",
            f"fw_broker.drain(), if one of the {waiting} that wait is to send it; "
            "else send it, or correct what the test expects."
            if waiting
            else "send it with task.delay(...), for a plain call runs the function and sends "
            "nothing; or correct what the test expects.",
        )


class SentAssertion(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """A call was sent and not expected."""

    def __init__(self, *, expected: str, sent: Sequence[str]) -> None:
        self.expected = expected
        times = "once" if len(sent) == 1 else f"{len(sent)} times"
        super().__init__(
            f"{expected} was sent {times}.",
            "Sent were:" + "".join(f"\n  {call}" for call in sent),
            "do not send it, or correct what the test expects.",
        )


class NotDeadAssertion(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """A dead letter was expected and there is none."""

    def __init__(self, *, expected: str, dead: str, stories: Sequence[str], then: str) -> None:
        self.expected = expected
        found = (
            f"Dead letters, the nearest first (expected != kept):{dead}"
            if dead
            else "There are no dead letters."
        )
        super().__init__(
            f"{expected} is no dead letter.",
            found + _told(stories),
            then or "let it fail, or correct what the test expects.",
        )


class NotRetriedAssertion(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """A call was not retried, or not with the waits that were expected."""

    def __init__(
        self, *, expected: str, waits: str, were: str, stories: Sequence[str], then: str
    ) -> None:
        self.expected = expected
        what = f"with the waits {waits}" if waits else "at all"
        super().__init__(
            f"{expected} was not retried {what}{were}.",
            "The waits of a call are those that its policy states, before jitter." + _told(stories),
            then or "correct the task's retries and backoff, or what the test expects.",
        )


class WhichCall(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """Several calls fit an assertion that is about one."""

    def __init__(self, *, expected: str, calls: Sequence[tuple[str, str]], name: str) -> None:
        self.expected = expected
        super().__init__(
            f"{len(calls)} calls are {expected}; one of them has to be meant.",
            "Each call has waits of its own:"
            + "".join(f"\n  {call}   id={task_id!r}" for task_id, call in calls),
            f"give its arguments, or its id: {name}(task, id=result.id, ...)",
        )


class NotIdempotentAssertion(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """A task that ran twice did not leave what it leaves when it runs once."""

    def __init__(self, *, call: str, differences: str, first: str, second: str) -> None:
        self.call = call
        super().__init__(
            f"{call} does more when it runs twice.",
            "A message can come again after a crash of its worker. The probe saw "
            f"(after the first run != after the second):{differences}"
            f"\n  after the first run:  {first}\n  after the second run: {second}",
            "look whether the work is done already, or do it under a key that is the same in both "
            "runs: current_attempt().task_id",
        )


class SecondRunFailed(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """A task did its work, and failed when its message came again."""

    def __init__(self, *, call: str, stories: Sequence[str]) -> None:
        self.call = call
        super().__init__(
            f"{call} failed when its message came again.",
            "Its work had been done, and its result would be a failure." + _told(stories),
            "return as the first run did where the work is done already.",
        )


class NothingProven(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """An assertion that would hold whatever the task does."""

    def __init__(self, *, call: str, why: str, fix: str) -> None:
        self.call = call
        super().__init__(f"{call} cannot be shown to be idempotent.", why, fix)


class NoDeadLetters(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """Dead letters were to be replayed or discarded, and none waits for a decision."""

    def __init__(self, *, what: str) -> None:
        super().__init__(
            f"There is no dead letter to be {what}.",
            "A call is a dead letter when it has failed for good: after its last retry.",
            "let it fail first; fw_broker.dead shows what is there.",
        )


class NotReplayed(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """Dead letters that cannot be sent again."""

    def __init__(self, *, refused: Sequence[tuple[str, str]], sent: int) -> None:
        self.refused = list(refused)
        lines = "".join(f"\n  {name}: {why}" for name, why in refused)
        super().__init__(
            f"{len(refused)} dead letters were not sent again:{lines}",
            f"fw dead replay refuses them too; {sent} were sent.",
            "replay(letter) those that can be sent, and discard(letter, reason=...) the others.",
        )


def _told(stories: Sequence[str]) -> str:
    return "\nIts calls:" + "".join(f"\n  {story}" for story in stories) if stories else ""


class NoFake(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """A test without a fake would send or read at the servers of the settings."""

    def __init__(self, *, where: str) -> None:
        self.where = where
        super().__init__(
            f"This test would go to {where}, and has asked for no fake.",
            "What it sends would stay there, for real workers to run.",
            "add fw_eager (a call runs at once) or fw_broker (it waits until you run it) to the "
            "arguments of the test. Real servers are meant? fw_services, or @pytest.mark.fw_real",
        )


class LeavesTheTest(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """A test with a fake would reach a real broker or database."""

    def __init__(self, *, where: str) -> None:
        self.where = where
        super().__init__(
            f"This test would reach {where}, past its fake.",
            "The fake keeps everything in memory: it does not see what goes there, and what goes "
            "there stays when the test has ended.",
            "send with task.delay(...), which the fake takes, and make no app or connection of "
            "your own. Real servers are meant? fw_services, or @pytest.mark.fw_real",
        )


class SleepsInTask(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """A task slept in a test."""

    def __init__(self, *, task: str, call: str, seconds: float, where: str) -> None:
        self.task = task
        self.seconds = seconds
        super().__init__(
            f"{task} called {call}({seconds:g}) at {where}.",
            "Tests run in virtual time, and nobody waits for the real one. (In production a task "
            f"that sleeps keeps its worker from others: raise RetryLater({seconds:g}) does not.)",
            "@pytest.mark.fw_clock(move_sleep=True), or eager(move_sleep=True), moves the virtual "
            f"clock instead, as fw_clock.advance({seconds:g}) does.",
        )


class NoTimeMachine(FrameworkError, ImportError):  # noqa: N818 - reads as what happened
    """``move_datetime`` was asked for, and what moves it is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "To move datetime.now() needs time-machine, which is not installed.",
            "Without it only fw's own clock moves; datetime.now() stays the real one.",
            "pip install 'fw-testing[time]'",
        )


class ClockMark(FrameworkError, ValueError):  # noqa: N818 - reads as what it is about
    """``@pytest.mark.fw_clock``, or the clock, was given what it cannot use."""
