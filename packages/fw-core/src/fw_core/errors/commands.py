"""In a command that works on dead letters."""

from __future__ import annotations

from fw_core.errors.framework_error import FrameworkError


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
