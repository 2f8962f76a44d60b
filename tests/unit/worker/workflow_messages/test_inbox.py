"""What a worker holds: each message is tried, and none faster than it can be started."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from fw_core.broker.topology import Topology
from fw_core.headers import WORKFLOW
from fw_worker.taken import Taken
from fw_worker.workflow_messages.delivery import Answer, Delivery, Verdict
from fw_worker.workflow_messages.inbox import HELD, LONGEST_PAUSE, Inbox


class Message:
    """A message as kombu delivers it."""

    def __init__(self, **headers: Any) -> None:
        self.body, self.content_type, self.content_encoding = b"{}", None, None
        self.headers, self.properties = headers, {}
        self.delivery_info = {"routing_key": "fw.workflows"}
        self.settled = ""

    @property
    def acknowledged(self) -> bool:
        return bool(self.settled)

    def ack_log_error(self, *_: Any) -> None:
        self.settled = "done"

    def reject_log_error(self, *_: Any, requeue: bool) -> None:
        self.settled = "back" if requeue else "thrown out"


class Entry:
    """A timer's entry."""

    is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Worker:
    """A worker whose pool, timer and processes the test moves by hand."""

    def __init__(self, *, processes: int | None = None) -> None:
        self.jobs: deque[tuple[Delivery, Any, Any]] = deque()
        self.pauses: list[tuple[float, Any, Entry]] = []
        self.waiting: deque[Any] = deque()
        self.free = processes
        self.stopping = SimpleNamespace(is_told=False, taken=Taken())
        is_counted = processes is not None
        semaphore = SimpleNamespace(acquire=self._acquire, release=self._release)
        self.app = SimpleNamespace(
            topology=Topology(),
            settings=SimpleNamespace(workflow_queue="fw.workflows", broker_consumer_timeout=1800),
        )
        consumer = SimpleNamespace(
            app=self.app,
            hostname="fw-1@host",
            connection_errors=(OSError,),
            pool=SimpleNamespace(apply_async=self._apply, uses_semaphore=is_counted),
            controller=SimpleNamespace(
                stopping=self.stopping, semaphore=semaphore if is_counted else None
            ),
            timer=SimpleNamespace(call_after=self._call_after),
            call_soon_ack=lambda function, *args: function(*args),
        )
        self.inbox = Inbox(consumer)

    def deliver(self, count: int = 1) -> list[Message]:
        messages = [Message() for _ in range(count)]
        for message in messages:
            self.inbox._take(message)
        return messages

    def answer(self, verdict: Verdict, why: str = "") -> None:
        _, callback, _ = self.jobs.popleft()
        self._release()
        callback(Answer(verdict, why))

    def die(self) -> None:
        _, _, error_callback = self.jobs.popleft()
        self._release()
        error_callback("a lost process")

    def let_pause_end(self) -> float:
        seconds, function, entry = self.pauses.pop()
        assert not entry.is_cancelled
        function()
        return seconds

    def _apply(self, function: Any, *, args: Any, callback: Any, error_callback: Any) -> None:
        self.jobs.append((args[0], callback, error_callback))

    def _call_after(self, seconds: float, function: Any) -> Entry:
        self.pauses.append((seconds, function, entry := Entry()))
        return entry

    def _acquire(self, function: Any) -> None:
        if self.free:
            self.free -= 1
            function()
        else:
            self.waiting.append(function)

    def _release(self) -> None:
        if self.free is None:
            return
        if self.waiting:
            self.waiting.popleft()()
        else:
            self.free += 1


def test_each_goes_to_the_pool_and_is_acknowledged_when_it_is_done():
    worker = Worker()
    messages = worker.deliver(2)
    assert len(worker.jobs) == 2
    worker.answer(Verdict.DONE)
    assert [message.settled for message in messages] == ["done", ""]
    assert worker.stopping.taken.unsettled() == [messages[1]]


def test_a_pool_of_processes_gets_one_for_each_that_is_free():
    worker = Worker(processes=1)
    worker.deliver(3)
    assert len(worker.jobs) == 1
    worker.answer(Verdict.DONE)
    assert (len(worker.jobs), worker.free) == (1, 0)
    worker.answer(Verdict.DONE)
    worker.answer(Verdict.DONE)
    assert (len(worker.jobs), worker.free) == (0, 1)


def test_what_cannot_be_started_now_waits_and_keeps_its_place():
    """With pauses that grow, and one try at a time until the first one succeeds."""
    worker = Worker(processes=4)
    messages = worker.deliver(3)
    for _ in range(3):
        worker.answer(Verdict.NOT_NOW, "the database is away")
    assert (len(worker.jobs), len(worker.pauses), worker.free) == (0, 1, 4)
    worker.let_pause_end()
    assert len(worker.jobs) == 1
    worker.answer(Verdict.NOT_NOW)
    assert not worker.jobs
    worker.let_pause_end()
    worker.answer(Verdict.DONE)
    assert len(worker.jobs) == 2
    worker.answer(Verdict.DONE)
    worker.answer(Verdict.DONE)
    assert {message.settled for message in messages} == {"done"}
    assert (worker.pauses, worker.free) == ([], 4)


def test_pauses_grow_to_half_a_minute_and_begin_anew():
    worker = Worker()
    worker.deliver()
    pauses = []
    for _ in range(8):
        worker.answer(Verdict.NOT_NOW)
        pauses.append(worker.let_pause_end())
    assert pauses == [1, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    worker.answer(Verdict.DONE)
    worker.deliver()
    worker.answer(Verdict.NOT_NOW)
    assert worker.let_pause_end() == 1


def test_a_message_that_comes_in_a_pause_waits_for_its_end():
    worker = Worker()
    worker.deliver()
    worker.answer(Verdict.NOT_NOW)
    worker.deliver()
    assert not worker.jobs


def test_a_process_that_dies_is_counted_and_the_message_is_tried_again():
    worker = Worker()
    worker.deliver()
    worker.die()
    worker.let_pause_end()
    assert worker.jobs[0][0].deaths == 1


@pytest.mark.parametrize(
    ("verdict", "settled"), [(Verdict.THROWN_OUT, "thrown out"), (Verdict.BACK, "back")]
)
def test_what_the_pool_says_is_done_with_the_message(verdict, settled):
    worker = Worker()
    [message] = worker.deliver()
    worker.answer(verdict)
    assert message.settled == settled


def test_a_worker_that_stops_starts_none_of_them_any_more():
    """What the pool has comes to its end; what comes late goes back with the others."""
    worker = Worker(processes=1)
    messages = worker.deliver(2)
    worker.stopping.is_told = True
    messages += worker.deliver()
    worker.waiting.clear()  # as Celery's semaphore is
    assert worker.inbox.give_back() == 2
    assert [message.settled for message in messages] == ["", "back", "back"]
    worker.answer(Verdict.NOT_NOW)
    assert (messages[0].settled, worker.pauses) == ("back", [])
    assert not worker.jobs


def test_a_process_that_gets_free_while_the_worker_stops_gets_none_of_them():
    """Between the signal and the end of the loop's turn it may do so."""
    worker = Worker(processes=1)
    messages = worker.deliver(2)
    worker.stopping.is_told = True
    worker.answer(Verdict.DONE)
    assert (len(worker.jobs), worker.free) == (0, 1)
    assert worker.inbox.give_back() == 1
    assert [message.settled for message in messages] == ["done", "back"]


def test_a_lost_connection_takes_its_messages_along():
    """The broker gives them out again; what the pool says of the first ones is too late."""
    worker = Worker()
    [message] = worker.deliver()
    worker.deliver()
    worker.inbox.lost()
    worker.answer(Verdict.DONE)
    worker.answer(Verdict.NOT_NOW)
    assert (message.settled, worker.pauses) == ("", [])
    worker.deliver(HELD)
    assert len(worker.jobs) == HELD


def test_a_message_held_too_long_is_told_so():
    worker = Worker()
    worker.deliver()
    worker.app.settings.broker_consumer_timeout = 0
    worker.answer(Verdict.NOT_NOW)
    worker.let_pause_end()
    assert worker.jobs[0][0].is_old


def test_a_message_without_any_id_keeps_the_one_that_it_gets():
    """So that to try again is no second start."""
    worker = Worker()
    worker.deliver(2)
    first, second = (delivery for delivery, *_ in worker.jobs)
    assert first.raw.headers[WORKFLOW] != second.raw.headers[WORKFLOW]
    worker.answer(Verdict.NOT_NOW)
    worker.answer(Verdict.NOT_NOW)
    worker.let_pause_end()
    assert worker.jobs[0][0].message_id in (first.message_id, second.message_id)
