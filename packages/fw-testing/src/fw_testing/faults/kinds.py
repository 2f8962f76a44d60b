"""The faults that a test can have happen: their names, and what they do."""

from __future__ import annotations

import difflib
from typing import Final

from fw_core.errors import FrameworkError

FAULTS: Final = {
    "redelivered": "the acknowledgement is lost, so the message comes again, marked as such",
    "duplicated": "the confirm is lost, so the message is sent, and queued, twice under one id",
    "crash_before_run": "the process that runs tasks dies before the body has begun",
    "crash_after_run": "the process dies when the body has run and nothing of it is kept yet",
    "slow": "the body does its work, and goes on beyond the task's timeout",
    "publish_fails": "the broker refuses what a worker sends: retries, next steps, dead letters",
    "broker_down": "the connection to the broker is lost when a message is to be sent",
    "database_down": "the database does not answer until the outcome of the attempt is settled",
}
"""Each happens once for each call; what fw does next is what it does in production."""


class UnknownFaultError(FrameworkError, ValueError):
    """A fault was asked for that does not exist."""

    def __init__(self, *, name: object) -> None:
        self.name = name
        near = difflib.get_close_matches(str(name), FAULTS, n=1, cutoff=0.4)
        super().__init__(
            f"There is no fault {name!r}.",
            f"There are: {', '.join(FAULTS)}.",
            f'@pytest.mark.faults("{near[0] if near else "redelivered"}")',
        )


class UnusedFault(FrameworkError, AssertionError):  # noqa: N818 - reads as what happened
    """A fault was asked for and never happened, so that the test proves nothing of it."""

    def __init__(self, *, name: str) -> None:
        self.name = name
        super().__init__(
            f"The fault {name!r} never happened in this test ({FAULTS[name]}).",
            "A test that the fault does not touch would pass without the mechanism that it tests.",
            _HOW[name],
        )


_RUN = "run a task under the fault: ask for fw_eager, or for fw_broker and call drain()."
_SEND = "send a task under the fault: task.delay(...)"

_HOW: Final = {
    "redelivered": _RUN,
    "duplicated": _SEND,
    "crash_before_run": _RUN,
    "crash_after_run": _RUN,
    "slow": _RUN,
    "publish_fails": 'name the faults that apply, @pytest.mark.faults("redelivered", ...): this'
    " one touches what is retried, fails for good, or is followed by a next step.",
    "broker_down": _SEND,
    "database_down": "run a task that keeps its result (ignore_result=False) under the fault.",
}
