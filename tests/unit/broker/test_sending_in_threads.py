"""Threads and forks: one pool for an app, and no lock that a child can never get."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from celery import signals

from fw_core import client, task_framework
from fw_core.broker import amqp, local
from fw_core.broker.app import App, create_app
from fw_core.declare.registry import TASK_REGISTRY
from fw_core.settings import read_settings
from fw_testing import FakeBroker


@pytest.fixture
def app() -> Iterator[App]:
    settings = read_settings(broker_url=local.memory_url("threads"), database_url="sqlite://")
    app = create_app(settings, TASK_REGISTRY)
    yield app
    app.amqp.close_connections()
    app.close()
    local.forget("threads")


def test_threads_that_send_first_at_the_same_time_share_one_pool(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pools would be twice the connections, of which half are never closed."""
    threads = 8
    barrier = threading.Barrier(threads)
    made: list[Any] = []
    make = amqp.ProducerPool

    def slowly(*args: Any, **kwargs: Any) -> Any:
        made.append(None)
        second.wait(0.2)  # lets another thread come here too, if nothing stops it
        return make(*args, **kwargs)

    def ask(_: int) -> Any:
        barrier.wait(10)
        return app.amqp.producer_pool

    second = threading.Event()
    monkeypatch.setattr(amqp, "ProducerPool", slowly)
    _ = app.amqp
    with ThreadPoolExecutor(threads) as pool:
        pools = set(map(id, pool.map(ask, range(threads))))

    assert len(pools) == len(made) == 1


LOCKS = {
    "the app's tasks": lambda app: app._making,
    "the app's connections": lambda app: app.amqp._making_pool,
    "the registry": lambda app: TASK_REGISTRY._lock,
    "the process's own app": lambda app: client._lock,
}


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("name", LOCKS)
def test_a_child_can_take_a_lock_that_a_thread_of_its_parent_held(app: App, name: str) -> None:
    """The thread is not there to let go of it: the child's first call would wait for ever."""
    with _held_by_a_thread(LOCKS[name](app)):
        child = os.fork()
        if child == 0:
            free = LOCKS[name](app).acquire(timeout=5)
            os._exit(0 if free else 1)
        _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0


@contextmanager
def _held_by_a_thread(lock: Any) -> Iterator[None]:
    holds, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            holds.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(10)
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_what_a_task_sends_by_adelay_is_its_own_as_by_delay(fw_broker: FakeBroker) -> None:
    """Its parent, and a child of its result; the thread that sends it is none of the task."""

    @task_framework
    def leaf(number: int) -> int:
        return number

    @task_framework
    async def calls() -> None:
        leaf.delay(1)
        await leaf.adelay(2)

    parents: dict[str, Any] = {}

    def note(headers: Any, **_: Any) -> None:
        parents[headers["id"]] = (headers["parent_id"], headers["root_id"])

    signals.after_task_publish.connect(note)
    try:
        result = calls.delay()
        fw_broker.drain()
        after = leaf.delay(3)
    finally:
        signals.after_task_publish.disconnect(note)
    first, second = (message.id for message in fw_broker.sent[1:3])
    assert parents[first] == parents[second] == (result.id, result.id)
    assert parents[after.id] == (None, after.id)
    assert [child.id for child in result.async_result.children] == [first, second]
