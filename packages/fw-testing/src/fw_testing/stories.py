"""What became of the calls of a task: their attempts, and what they wait for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fw_core.attempt.failure import describe
from fw_core.call.plain import shortened
from fw_testing.records import Message, Ran
from fw_testing.showing import show_call

_LINE = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """One call and what became of it so far.

    Attributes:
        call: The call; None where it was not sent in this test.
        id: Its id.
        ran: Its attempts.
        waits: The message that waits; None if none does.
    """

    id: str
    call: Message | None
    ran: tuple[Ran, ...]
    waits: Message | None

    @property
    def seconds(self) -> list[float]:
        """The waits between the attempts."""
        return [ran.wait for ran in self.ran if ran.wait is not None]

    @property
    def name(self) -> str:
        """The call in a line."""
        if self.call is None:
            return f"{self.ran[0].task if self.ran else '?'} (id {self.id})"
        return show_call(self.call.task, self.call.args, self.call.kwargs)

    def __str__(self) -> str:
        lines = [self.name, *(f"    {_attempt(ran)}" for ran in self.ran)]
        if self.waits is not None:
            lines.append(f"    attempt {self.waits.attempt} {_waiting(self.waits)}")
        return "\n  ".join(lines)


def stories(
    task: str, sent: Sequence[Message], ran: Sequence[Ran], waiting: Sequence[Message]
) -> list[Story]:
    """The stories of the calls of ``task``, in the order in which they were sent."""
    calls = {message.id: message for message in reversed(sent) if message.task == task}
    ids = dict.fromkeys(
        [each.id for each in sent if each.task == task]
        + [each.id for each in ran if each.task == task]
    )
    still = {each.id: each for each in waiting if each.task == task}
    return [
        Story(
            id=task_id,
            call=calls.get(task_id),
            ran=tuple(each for each in ran if each.id == task_id),
            waits=still.get(task_id),
        )
        for task_id in ids
    ]


def next_step(told: Sequence[Story]) -> str:
    """What to do for calls that have not come to their end; empty if all have."""
    waits = [story.waits for story in told if story.waits is not None]
    if not waits:
        return ""
    seconds = min(wait.delay.total_seconds() for wait in waits)
    if seconds:
        return f"let it go on: fw_broker.advance({seconds:g}), then fw_broker.drain()"
    return "run it first: fw_broker.drain()"


def _attempt(ran: Ran) -> str:
    text = f"attempt {ran.attempt} {ran.outcome}"
    if ran.error is not None:
        text += f": {describe(ran.error)}".replace("\n", " ")
    return shortened(text, _LINE) + ("" if ran.wait is None else f" (wait {ran.wait:g} s)")


def _waiting(message: Message) -> str:
    seconds = message.delay.total_seconds()
    return f"waits for {seconds:g} s more" if seconds else "is ready and has not run"
