"""Some attempts that one process of the pool runs one after the other, seen from the first one."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import ref

from fw_worker.ahead.answers import Answer
from fw_worker.ahead.board import Place
from fw_worker.ahead.in_process import run_group

if TYPE_CHECKING:
    from fw_worker.request import AttemptRequest

STUCK_SECONDS = 0.05
"""How long an attempt may take before what waits behind it goes to another process."""

_logger = logging.getLogger("fw.worker")


class Group:
    """One group, from its way to the pool until the pool's last word on it.

    Args:
        members: The requests, in the order in which they are run.
        place: Its place on the board.
        again: Takes what was not begun, to be sent anew.
        ended: Told when nothing more comes of it.

    Attributes:
        place: Its place on the board.
        is_accepted: Whether a process has said that it has it.
    """

    def __init__(
        self,
        members: list[AttemptRequest],
        place: Place,
        *,
        again: Callable[[list[AttemptRequest]], None],
        ended: Callable[[Group], None],
    ) -> None:
        self.place = place
        self.is_accepted = False
        self._members = members
        self._first = 0  # the number of the first member: all before it are settled here
        self._is_reported = members[0].is_reported
        self._is_held = False
        self._pid = 0
        self._killed: list[AttemptRequest] = []
        self._again = again
        self._ended = ended
        self._pool: Any = None
        self._result: Any = None  # billiard's

    def send(self, pool: Any) -> None:
        """Give it to the next process that is free."""
        self._pool = pool
        self._result = pool.apply_async(
            run_group,
            args=(
                self.place.number,
                [request.brief() for request in self._members],
                self._is_reported,
            ),
            accept_callback=self._on_accepted,
            callback=self._on_answers,
            error_callback=self._on_lost,
            timeout_callback=self._on_timeout,
        )
        for request in self._members:
            self._have(request)

    def take_in(self, requests: list[AttemptRequest]) -> bool:
        """Let more requests join, or say that there is no room for them."""
        data = pickle.dumps([request.brief() for request in requests], pickle.HIGHEST_PROTOCOL)
        if not self.is_open or not self.place.join(len(requests), data):
            return False
        self._members += requests
        now = time.monotonic()
        for request in requests:
            self._have(request)
            _tell(request.on_accepted, self._pid, now)
        return True

    def _have(self, request: AttemptRequest) -> None:
        request.group = self
        request._apply_result = None if self._result is None else ref(self._result)

    @property
    def is_open(self) -> bool:
        """Whether more may join: a process has it, and none of it was taken back."""
        return self.is_accepted and not self._is_held and not self._is_reported

    @property
    def left(self) -> list[AttemptRequest]:
        """Those that have not been begun yet."""
        return self._members[self._from_first(self.place.begun) :]

    def _from_first(self, number: int) -> int:
        """Where a member stands among those that are left here."""
        return max(number - self._first, 0)

    @property
    def running(self) -> AttemptRequest | None:
        """The attempt that runs now, as far as can be seen from here."""
        begun = self.place.begun
        is_running = self.place.ended < begun <= self._first + len(self._members)
        return self._members[self._from_first(begun - 1)] if is_running else None

    def settle(self) -> None:
        """Settle what is known to have succeeded; the process says nothing more of it."""
        done = self.place.done
        members = self._members[: self._from_first(done)]
        del self._members[: len(members)]
        for number, request in enumerate(members, start=self._first):
            _tell(request.on_traced, (0, "", self.place.seconds(number)))
        self._first += len(members)

    def look(self) -> bool:
        """Take back what waits behind an attempt that takes long; kill one that never ends.

        Returns:
            Whether it has to be looked at again.
        """
        begun, count = self.place.begun, self._first + len(self._members)
        if not self._members:
            return False
        took = time.monotonic() - self.place.since if begun else 0.0
        if self.place.limit < count:
            # Lowered a look ago, so the process has seen it, or its latest begin is seen here.
            self._take_back(max(begun, self.place.limit))
        elif took > STUCK_SECONDS:
            self.hold()
        running = self.running
        limit: float | None = None if running is None else running.task.time_limit
        if limit is not None and took > limit:
            self.hold()
            self._result._timeout = limit
            self._pool._pool.on_hard_timeout(self._result)
        return True

    def hold(self) -> None:
        """Let the process begin no more of it; what it has not begun is taken back later."""
        self._is_held = True
        self.place.limit = min(self.place.limit, self.place.begun)

    def _take_back(self, first: int) -> None:
        at = self._from_first(first)
        self._members, taken = self._members[:at], self._members[at:]
        if taken:
            self._again(taken)

    # Told by the pool.

    def _on_accepted(self, pid: int, time_accepted: float) -> None:
        self.is_accepted, self._pid = True, pid
        for request in self._members:
            _tell(request.on_accepted, pid, time_accepted)

    def _on_answers(self, answers: list[Answer]) -> None:
        """The process came to the end of it, or to what was taken back."""
        self.settle()
        members, self._members = self._members, []
        for request, (is_traced, value) in zip(members, answers, strict=False):
            _tell(request.on_traced if is_traced else request.on_failure, value)
        self._over(members[len(answers) :])

    def _on_lost(self, failed: Any) -> None:
        """The process is gone, or will be, or the pool could not run it.

        What was settled there is; the attempt that ran has failed; the rest is sent anew. Of that
        a few may have been run, and their results not stored yet.
        """
        self.settle()
        members, self._members = self._members, []
        settled = self._from_first(self.place.settled)
        begun, ended = self._from_first(self.place.begun), self._from_first(self.place.ended)
        for request in members[:settled]:
            _tell(request.on_settled)
        self._killed = members[ended:begun]
        for request in self._killed:
            request.time_start = time.time() - (time.monotonic() - self.place.since)
            _tell(request.on_failure, failed)
        for request in members[settled:ended]:
            request.may_have_run()
        self._over(members[settled:ended] + members[begun:])

    def _on_timeout(self, soft: bool, timeout: float) -> None:
        for request in self._killed:
            _tell(request.on_timeout, soft, timeout)

    def _over(self, left: list[AttemptRequest]) -> None:
        if left:
            self._again(left)
        self._ended(self)


def _tell(what: Callable[..., Any], *args: Any) -> None:
    """Tell one request; an error of it must not keep the others from being told."""
    try:
        what(*args)
    except MemoryError:
        raise  # the pool ends the worker for it
    except Exception:
        _logger.exception("An attempt has ended, and that could not be taken note of")
