"""Sends what waits to the pool: alone, or with others where attempts are short."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from celery.worker import state

from fw_worker.ahead.board import Board
from fw_worker.ahead.fetching import FIRST_LOOK_SECONDS, LOOK_SECONDS, MOST, Fetching
from fw_worker.ahead.group import STUCK_SECONDS, Group
from fw_worker.ahead.pace import Pace, fits

if TYPE_CHECKING:
    from fw_worker.request import AttemptRequest


MOST_BYTES = 128 * 1024
"""What a group's messages may take: they are written to the process at once."""

MOST_LEFT = 64
"""Attempts that a process has before it, running one included."""

ENOUGH = MOST_LEFT // 2
"""With more than so many left a process needs no more yet."""

_LONG_ENOUGH = 3600.0


class Dispatcher:
    """What one worker with processes has waiting for them.

    A free process gets the first that waits, and with it as many of the next ones as are expected
    to be over soon. So on an idle worker each goes alone and at once, and under load many go
    together.

    Args:
        worker: Celery's worker.
        hub: Its event loop.
    """

    def __init__(self, worker: Any, hub: Any) -> None:
        self._worker = worker
        self._hub = hub
        self._pace = Pace()
        self._fetching = Fetching()
        self._is_looking = False
        self._pause = LOOK_SECONDS
        self._board = Board()
        self._waiting: deque[AttemptRequest] = deque()
        self._groups: set[Group] = set()
        self._asks = False
        self._will_top_up = False

    def listen(self) -> None:
        """Hear the processes; again after each connection, for the loop forgets whom it hears."""
        self._hub.add_reader(self._board.asked, self._on_asked)

    def add(self, request: AttemptRequest) -> None:
        """Send a request when a process is free for it."""
        request.traced = self._on_traced
        self._waiting.append(request)
        if not self._is_looking:
            self._is_looking = True
            self._pause = FIRST_LOOK_SECONDS
            self._fetching.began(time.monotonic())
            self._hub.call_later(self._pause, self._look_at_load)
        self._ask()
        if self._groups and not self._will_top_up:
            self._will_top_up = True
            self._hub.call_soon(self._top_up)

    def clear(self) -> None:
        """Forget what no process has begun with: its messages were given back, or will be."""
        self._waiting.clear()
        self._asks = False
        for group in tuple(self._groups):
            if not group.is_accepted:
                group.hold()
                self._groups.discard(group)
                # A process may have it yet, and write to its place until it has ended.
                self._hub.call_later(_LONG_ENOUGH, self._board.give_back, group.place)

    def _ask(self) -> None:
        if self._waiting and not self._asks:
            self._asks = True
            self._worker.semaphore.acquire(self._send)

    def _send(self) -> None:
        """A process is free."""
        self._asks = False
        members = self._take(-(-len(self._waiting) // self._free()))
        place = self._board.take(len(members)) if len(members) > 1 else None
        if not members:
            self._worker.semaphore.release()
            return
        if place is None:
            first, *others = members
            self._waiting.extendleft(reversed(others))
            first.send_alone(self._pool)
        else:
            group = Group(members, place, again=self._send_again, ended=self._forget)
            self._groups.add(group)
            group.send(self._pool)
            self._look_later(group)
        self._ask()

    def _on_asked(self) -> None:
        self._board.hear()
        self._top_up()

    def _top_up(self) -> None:
        """Settle what has ended meanwhile, and let what waits join the groups that have little."""
        self._will_top_up = False
        for group in tuple(self._groups):
            group.settle()
        if not self._asks or self._worker.stopping.is_told:
            return  # nothing waits, or a process is free for it
        for group in tuple(self._groups):
            left = group.left
            if not self._waiting or not group.is_open or len(left) > ENOUGH:
                continue
            share = -(-len(self._waiting) // len(self._groups))
            expected = sum(self._pace.of(request.task.name) or 0.0 for request in left)
            members = self._take(min(share, MOST_LEFT - len(left)), expected, len(left))
            if members and not group.take_in(members):
                self._waiting.extendleft(reversed(members))

    def _take(self, most: int, expected: float = 0.0, behind: int = 0) -> list[AttemptRequest]:
        """What goes together next.

        Args:
            most: How many at most.
            expected: Seconds that those take which they are to wait behind.
            behind: How many these are.
        """
        taken: list[AttemptRequest] = []
        size = 0
        while self._waiting:
            request = self._waiting[0]
            pace = self._pace.of(request.task.name)
            size += len(request.body)
            count = behind + len(taken)
            is_full = len(taken) >= most or size > MOST_BYTES
            if count and (is_full or not fits(pace, expected, count)):
                break
            self._waiting.popleft()
            if request.acknowledged or request.revoked():
                state.task_ready(request)
                continue
            taken.append(request)
            if pace is None or not fits(pace, 0.0, 0):
                break
            expected += pace
        return taken

    def _free(self) -> int:
        """How many processes are free, this one included: each gets its share of what waits."""
        return int(self._worker.semaphore.value) + 1

    def _send_again(self, requests: list[AttemptRequest]) -> None:
        for request in requests:
            request.not_begun()
        if self._worker.stopping.is_told:
            for request in requests:
                request.reject(requeue=True)
                state.task_ready(request)
            return
        self._waiting.extendleft(reversed(requests))
        self._ask()

    def _forget(self, group: Group) -> None:
        self._groups.discard(group)
        self._board.give_back(group.place)

    def _look_later(self, group: Group) -> None:
        self._hub.call_later(STUCK_SECONDS, self._look, group)

    def _look(self, group: Group) -> None:
        if group in self._groups:
            self._look_later(group)
            group.look()

    def _on_traced(self, task: str, seconds: float | None) -> None:
        if seconds is not None:
            self._pace.note(task, seconds)
        self._fetching.ended(time.monotonic())

    def _look_at_load(self) -> None:
        """Have as many messages here as can be used, and give back what is too much.

        Raises:
            OSError, RecoverableConnectionError: the connection is lost, or is to be made anew.
        """
        consumer = self._worker.consumer
        is_busy = self._worker.semaphore.value == 0
        self._is_looking = is_busy or bool(self._waiting)
        if self._worker.stopping.is_told:
            return
        if self._is_looking:
            self._pause = min(2 * self._pause, LOOK_SECONDS)
            self._hub.call_later(self._pause, self._look_at_load)
        current, processes = consumer.qos.value, max(self._pool.num_processes, 1)
        wanted = self._fetching.decide(
            current,
            least=processes * consumer.prefetch_multiplier,
            most=processes * MOST,
            is_busy=is_busy,
            now=time.monotonic(),
        )
        if wanted < current:
            self._give_back(len(self._waiting) - wanted)
        if wanted != current:
            consumer.fetch(wanted)

    def _give_back(self, count: int) -> None:
        for _ in range(count):
            request = self._waiting.pop()
            request.reject(requeue=True)
            state.task_ready(request)

    @property
    def _pool(self) -> Any:
        return self._worker.pool
