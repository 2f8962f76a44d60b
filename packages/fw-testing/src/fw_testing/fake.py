"""``fw_broker``: nothing runs until the test says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from fw_core.declare.handle import TaskHandle
from fw_testing.bench import MOST_STEPS, Bench, bench
from fw_testing.clock import VirtualClock
from fw_testing.errors import NothingReady, NotSentAssertion
from fw_testing.records import DeadLetter, Message, Ran

Task = TaskHandle[..., Any]


class FakeBroker:
    """A broker in memory with a worker that runs a message when it is told to."""

    def __init__(self, world: Bench) -> None:
        self._world = world

    @property
    def sent(self) -> list[Message]:
        """Every call that was sent, in order, whether it has run or not; retries are no calls."""
        return list(self._world.sent)

    @property
    def waiting(self) -> list[Message]:
        """What has not run: ready, delayed, or waiting for a retry; first due, first shown."""
        return self._world.waiting()

    @property
    def dead(self) -> list[DeadLetter]:
        """The dead letters, oldest first."""
        return self._world.dead()

    @property
    def ran(self) -> list[Ran]:
        """Every attempt that has run, in order."""
        return list(self._world.ran)

    @property
    def clock(self) -> VirtualClock:
        """The clock that decides what is due."""
        return self._world.clock

    def run_next(self) -> Ran | None:
        """Run the next ready message.

        Returns:
            The attempt; None where the message could not become one.

        Raises:
            NothingReady: no message is ready now; it says when the next one is.
        """
        if not self._world.worker.is_ready():
            raise NothingReady(next_in=self._world.next_in())
        return self._world.run_next()

    def drain(self, *, most: int = MOST_STEPS) -> list[Ran]:
        """Run all that is ready, also what it sends, until nothing is; time stands still.

        Args:
            most: How many messages may run before it counts as endless.

        Raises:
            NeverAtRest: tasks keep sending tasks.
        """
        return self._world.drain(most)

    def advance(self, seconds: float | timedelta) -> None:
        """Move the time; what is due by then is ready, and runs when it is told to."""
        self._world.clock.advance(seconds)

    def assert_sent(
        self, task: Task, *args: Any, queue: str | None = None, **kwargs: Any
    ) -> Message:
        """Return the call of ``task`` with these arguments that was sent.

        Without arguments any call of the task will do.

        Raises:
            AssertionError: there is none; it shows what was sent.
        """
        for message in self._world.sent:
            if _matches(message, task, args, kwargs, queue):
                return message
        wanted = _show_call(task.name, args, kwargs, queue)
        raise NotSentAssertion(
            f"{wanted} was not sent.",
            "Sent were:" + "".join(f"\n  {_show(message)}" for message in self._world.sent)
            if self._world.sent
            else "Nothing was sent.",
            "send it, or correct what the test expects.",
        )

    def assert_not_sent(self, task: Task) -> None:
        """Make sure that ``task`` was not called.

        Raises:
            AssertionError: it was; it shows with what.
        """
        sent = [message for message in self._world.sent if message.task == task.name]
        if sent:
            raise NotSentAssertion(
                f"{task.name} was sent {len(sent)} times.",
                "Sent were:" + "".join(f"\n  {_show(message)}" for message in sent),
                "do not send it, or correct what the test expects.",
            )


@contextmanager
def fake_broker() -> Iterator[FakeBroker]:
    """A fake broker for a block of code; :func:`fw_broker` is the fixture."""
    with bench() as world:
        yield FakeBroker(world)


def _matches(
    message: Message, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], queue: str | None
) -> bool:
    if message.task != task.name or (queue is not None and message.queue != queue):
        return False
    if not args and not kwargs:
        return True
    wanted = task.arguments.encode(args, kwargs)
    return task.arguments.named(wanted) == task.arguments.named(message)


def _show(message: Message) -> str:
    return _show_call(message.task, message.args, message.kwargs, message.queue)


def _show_call(task: str, args: Any, kwargs: dict[str, Any], queue: str | None) -> str:
    shown = [repr(arg) for arg in args] + [f"{name}={value!r}" for name, value in kwargs.items()]
    return f"{task}({', '.join(shown)})" + (f" in queue {queue!r}" if queue else "")
