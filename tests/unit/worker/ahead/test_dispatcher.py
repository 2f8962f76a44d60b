"""What waits and where it goes: the pool, the loop and the connection are played here."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from amqp.exceptions import NotFound, RecoverableConnectionError
from celery.worker import state
from kombu.asynchronous.semaphore import LaxBoundedSemaphore

from fw_worker.ahead.board import MOST_MEMBERS, Place
from fw_worker.ahead.dispatcher import ENOUGH, MOST_BYTES, MOST_LEFT, Dispatcher
from fw_worker.ahead.fetching import STUCK_SECONDS
from fw_worker.ahead.pace import TOGETHER
from fw_worker.consumer import WorkerConsumer
from fw_worker.request import AttemptRequest


class Request:
    """A message that waits."""

    def __init__(self, name: str, task: str = "quick") -> None:
        self.id = self.name = name
        self.task = SimpleNamespace(name=task, time_limit=60.0)
        self.acknowledged = self.is_revoked = self.is_reported = False
        self.delivery_info, self.rejected, self.anew = {}, None, 0
        self.body = b"[[], {}, {}]"

    def brief(self):
        return self.name

    def revoked(self) -> bool:
        return self.is_revoked

    def send_alone(self, pool) -> None:
        pool.sent.append([self.name])

    def not_begun(self) -> None:
        self.anew += 1

    def reject(self, requeue: bool) -> None:
        self.rejected = requeue

    def on_accepted(self, *_) -> None:
        pass

    def on_traced(self, answer) -> None:
        self.traced(self.task.name, answer[2])


class World:
    """A worker with some processes, as far as a dispatcher knows it."""

    def __init__(self, processes: int = 2) -> None:
        self.sent, self.callbacks, self.timers, self.fetched, self.soon = [], [], [], [], []
        self.now = 0.0
        self.num_processes = processes
        self.concurrency = processes
        self.semaphore = LaxBoundedSemaphore(processes)
        self.stopping = SimpleNamespace(is_told=False)
        self.qos = SimpleNamespace(value=8)
        self.prefetch_multiplier = 4
        self.pool = self.consumer = self
        self.dispatcher = Dispatcher(self, self)

    # The loop

    def call_later(self, seconds, function, *args):
        self.timers.append((function, args))

    def call_soon(self, function):
        self.soon.append(function)

    def turn(self):
        """The loop's next turn."""
        soon, self.soon[:] = list(self.soon), []
        for function in soon:
            function()

    def look(self):
        timers, self.timers[:] = list(self.timers), []
        for function, args in timers:
            function(*args)

    # The pool

    def apply_async(self, function, args, **callbacks):
        self.sent.append(args[1])
        self.callbacks.append(callbacks)
        return type("Result", (), {})()

    def ends(self, count: int = 0, seconds: float = 0.0):
        """A process has ended what it had; the pool releases its slot first."""
        self.semaphore.release()
        if count:
            self.callbacks.pop(0)["callback"]([(True, (0, "", seconds))] * count)

    # The connection

    def fetch(self, count):
        self.fetched.append(count)
        self.qos.value = count


@pytest.fixture
def world(monkeypatch):
    made = World()
    monkeypatch.setattr(
        "fw_worker.ahead.dispatcher.time", SimpleNamespace(monotonic=lambda: made.now)
    )
    return made


def waiting(world, count, task="quick", start=0):
    requests = [Request(str(number), task) for number in range(start, start + count)]
    for request in requests:
        world.dispatcher.add(request)
    return requests


def know(world, task="quick", seconds=0.0001):
    request = Request("known", task)
    world.dispatcher.add(request)
    request.on_traced((0, "", seconds))
    world.semaphore.release()
    world.sent.clear()


def test_a_free_process_gets_each_alone_and_at_once(world):
    know(world)
    waiting(world, 2)
    assert world.sent == [["0"], ["1"]]


def test_what_waits_goes_together_when_a_process_is_free(world):
    know(world)
    waiting(world, 12)
    world.ends()
    assert world.sent == [["0"], ["1"], [str(number) for number in range(2, 12)]]


def test_what_goes_together_is_limited_in_bytes(world):
    """It is written to the process at once. A message that is larger than that goes alone."""
    know(world)
    waiting(world, 2)
    later = waiting(world, 6, start=2)
    for request in later[:4]:
        request.body = b"x" * (MOST_BYTES // 2)
    later[4].body = b"x" * (MOST_BYTES + 1)
    for _ in range(4):
        world.ends()
    assert world.sent == [["0"], ["1"], ["2", "3"], ["4", "5"], ["6"], ["7"]]


@pytest.mark.parametrize("seconds", [None, 0.5])
def test_what_is_not_known_to_be_short_goes_alone(world, seconds):
    if seconds:
        know(world, seconds=seconds)
    waiting(world, 5)
    world.ends()
    assert world.sent == [["0"], ["1"], ["2"]]


def test_what_waits_is_shared_by_the_processes_that_are_free(world):
    know(world)
    waiting(world, 12)
    world.semaphore._waiting.clear()  # as where both become free in one turn
    world.semaphore.value = 2
    world.dispatcher._asks = False
    world.dispatcher._ask()
    assert [len(sent) for sent in world.sent] == [1, 1, 5, 5]


def test_a_request_that_was_revoked_while_it_waited_is_not_sent_and_not_kept(world):
    requests = waiting(world, 4)
    requests[2].is_revoked = True
    state.reserved_requests.add(requests[2])
    state.requests[requests[2].id] = requests[2]
    world.ends()
    assert world.sent == [["0"], ["1"], ["3"]]
    assert requests[2] not in state.reserved_requests
    assert requests[2].id not in state.requests


def test_what_a_process_did_not_begin_goes_first(world):
    know(world)
    requests = waiting(world, 6)
    world.ends()
    waiting(world, 2, start=6)
    world.semaphore.release()
    world.callbacks[0]["error_callback"]("the process is gone")
    assert [sorted(sent) for sent in world.sent[2:]] == [["2", "3", "4", "5"], ["6", "7"]]
    world.ends()
    assert world.sent[-1] == ["2", "3", "4", "5"]
    assert [request.anew for request in requests] == [0, 0, 1, 1, 1, 1]


def begun(world, names: int) -> Place:
    """A group that a process has begun with."""
    know(world)
    waiting(world, 2 + names)
    world.ends()
    assert len(world.sent[-1]) == names
    world.callbacks[0]["accept_callback"](1, 0.0)
    [group] = world.dispatcher._groups
    return Place(group.place.number)


def test_what_comes_joins_a_group_that_has_little_left(world):
    process = begun(world, 10)
    waiting(world, 30, start=12)
    world.turn()
    assert process.joined() == [str(number) for number in range(12, 42)]


def test_what_comes_waits_while_every_process_has_enough(world):
    process = begun(world, 40)
    waiting(world, 30, start=42)
    world.turn()
    assert process.limit == 40
    for number in range(40 - ENOUGH):
        process.begin(number)
        process.end(number)
        process.finish(number, 0.0001)
    world.dispatcher._on_asked()
    assert process.joined() == [str(number) for number in range(42, 72)]


def test_no_process_has_more_before_it_than_it_runs_in_a_moment(world):
    process = begun(world, 10)
    waiting(world, 300, start=12)
    world.turn()
    assert process.limit == MOST_LEFT
    know(world, "moderate", seconds=TOGETHER / 4)
    world.dispatcher._waiting.clear()
    waiting(world, 20, "moderate", start=1_000)
    for number in range(MOST_LEFT - 1):
        process.begin(number)
        process.end(number)
    world.dispatcher._on_asked()
    assert process.limit == MOST_LEFT + 3


@pytest.mark.parametrize("seconds", [None, 0.5])
def test_nothing_long_or_unknown_joins_a_group(world, seconds):
    process = begun(world, 10)
    if seconds:
        know(world, "slow", seconds=seconds)
        world.dispatcher._waiting.clear()
    waiting(world, 5, "slow", start=12)
    world.turn()
    assert process.limit == 10


def test_nothing_joins_a_group_of_a_worker_that_stops(world):
    process = begun(world, 10)
    world.stopping.is_told = True
    waiting(world, 5, start=12)
    world.turn()
    assert process.limit == 10


def test_a_group_that_is_full_is_left_and_the_rest_goes_to_the_next_process(world):
    process = begun(world, 10)
    world.dispatcher._groups.copy().pop().place.limit = MOST_MEMBERS
    waiting(world, 5, start=12)
    world.turn()
    assert process.limit == MOST_MEMBERS
    world.ends()
    assert world.sent[-1] == ["12", "13", "14", "15", "16"]


def test_a_worker_that_stops_gives_it_back_instead(world):
    know(world)
    requests = waiting(world, 6)
    world.ends()
    world.stopping.is_told = True
    world.callbacks[0]["error_callback"]("the process is gone")
    assert [request.rejected for request in requests] == [None, None, True, True, True, True]


def test_after_a_lost_connection_nothing_of_it_is_sent(world):
    know(world)
    waiting(world, 6)
    world.dispatcher.clear()
    world.semaphore._waiting.clear()
    world.ends()
    assert world.sent == [["0"], ["1"]]
    waiting(world, 1, start=7)
    assert world.sent[-1] == ["7"]


def test_where_nothing_ends_any_more_what_is_too_much_goes_back(world):
    world.qos.value = 100
    requests = waiting(world, 60)
    world.now = STUCK_SECONDS * 1.1
    world.look()
    assert world.fetched == [8]
    assert [request.rejected for request in requests[2:]] == [None] * 8 + [True] * 50


def test_a_pool_that_has_grown_has_more(world):
    world.qos.value, world.num_processes = 100, 5
    waiting(world, 3)
    world.now = STUCK_SECONDS * 1.1
    world.look()
    assert world.fetched == [20]


def test_it_is_looked_at_again_although_the_broker_refused_once(world):
    world.qos.value = 100
    waiting(world, 3)
    world.now = STUCK_SECONDS * 1.1

    def fetch(count):
        raise RecoverableConnectionError("gone")

    world.fetch = fetch
    with pytest.raises(RecoverableConnectionError):
        world.look()
    assert world.timers


# What the consumer has to do with it


def test_a_channel_that_closes_while_the_prefetch_changes_is_made_anew():
    """Celery would log it and go on, without a consumer."""

    def cancel():
        raise NotFound("no queue")

    consumer = SimpleNamespace(
        task_consumer=SimpleNamespace(cancel=cancel), channel_errors=(NotFound,)
    )
    with pytest.raises(RecoverableConnectionError, match="no queue"):
        WorkerConsumer.fetch(consumer, 5)


@pytest.mark.parametrize(
    ("pool", "start", "tasks", "can"),
    [
        ("prefork", "fork", None, True),
        ("prefork", "spawn", None, False),
        ("prefork", "fork", 100, False),
        ("thread", "fork", None, False),
        ("solo", "fork", None, False),
    ],
)
def test_only_processes_that_share_memory_and_are_not_counted_get_several(
    monkeypatch, pool, start, tasks, can
):
    monkeypatch.setattr("fw_worker.consumer.get_start_method", lambda: start)
    kind = type("TaskPool", (), {"__module__": f"celery.concurrency.{pool}"})
    consumer = SimpleNamespace(pool=kind(), controller=SimpleNamespace(max_tasks_per_child=tasks))
    assert WorkerConsumer._can_send_ahead.fget(consumer) is can


def test_who_revokes_an_attempt_ends_no_other_that_is_begun_meanwhile():
    told = []

    class Group:
        @property
        def running(self):
            told.append("looked")

        def hold(self):
            told.append("held")

    AttemptRequest.terminate(SimpleNamespace(group=Group()), pool=None)
    assert told == ["held", "looked"]
