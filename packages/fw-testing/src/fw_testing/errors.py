"""What a test can do wrong with the fixtures."""

from __future__ import annotations

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
    """A call was expected and not sent, or sent and not expected."""
