"""Celery's own workflows run on this backend, with a real worker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.contrib.testing.worker import start_worker
from kombu.exceptions import OperationalError

from fw_core.database.engine import close_connections
from fw_core.results.backend import ResultBackend

URL = "sqlite:///file:canvas?mode=memory&cache=shared&uri=true"

Tasks = Any


def make_tasks(app: Celery) -> Tasks:
    def task(function: Callable[..., Any], **options: Any) -> Any:
        return app.task(function, name=function.__name__, shared=False, **options)

    def add(a: int, b: int) -> int:
        return a + b

    def same(values: list[Any]) -> list[Any]:
        return values

    def total(values: list[int]) -> int:
        return sum(values)

    def fail(*_: Any) -> None:
        raise ValueError("no")

    def grow(self: Any, a: int) -> int:
        self.add_to_chord(made.add.s(a, 100))
        return a

    def become(self: Any, a: int) -> Any:
        return self.replace(group(made.add.s(a, 1), made.add.s(a, 2)))

    made = SimpleNamespace(
        add=task(add),
        same=task(same),
        total=task(total),
        fail=task(fail),
        grow=task(grow, bind=True),
        become=task(become, bind=True),
    )
    return made


@pytest.fixture(scope="module")
def app() -> Iterator[Celery]:
    """One worker for all: to start and stop one takes seconds."""
    app = Celery("canvas", broker="memory://", set_as_current=False)
    app.conf.update(
        broker_transport_options={"polling_interval": 0.01},
        task_acks_late=True,
        task_default_queue="canvas",
        worker_hijack_root_logger=False,
    )
    app.backend_cls = lambda app, url: ResultBackend(app, URL)
    yield app
    close_connections(URL)


@pytest.fixture(scope="module")
def tasks(app: Celery) -> Iterator[Tasks]:
    tasks = make_tasks(app)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="CRITICAL"):
        yield tasks
    root.handlers[:] = handlers  # the worker took over the log of this process
    root.setLevel(level)


def two(t: Tasks) -> list[Any]:
    return [t.add.s(1, 1), t.add.s(2, 2)]


@pytest.mark.parametrize(
    ("workflow", "expected"),
    [
        (lambda t: chain(t.add.s(1, 1), t.add.s(1)), 3),
        (lambda t: group(two(t)), [2, 4]),
        (lambda t: chord(two(t), t.same.s()), [2, 4]),
        (lambda t: group(two(t)) | t.same.s(), [2, 4]),
        (lambda t: chord((t.add.s(n, n) for n in range(3)), t.same.s()), [0, 2, 4]),
        (lambda t: chord([], t.same.s()), []),
        (lambda t: chord([t.add.s(1, 1)], t.same.s()), [2]),
        (lambda t: chord([t.add.s(1, 1) | t.add.s(1), t.add.s(2, 2)], t.same.s()), [3, 4]),
        (
            lambda t: chord([t.add.s(1, 1) | group(t.add.s(1), t.add.s(2)), t.add.s(2, 2)],
                            t.same.s()),
            [[3, 4], 4],
        ),
        (lambda t: chord([chord(two(t), t.total.s()), t.add.s(2, 2)], t.same.s()), [6, 4]),
        (
            lambda t: chord([chord(two(t), group(t.total.s(), t.same.s())), t.add.s(2, 2)],
                            t.same.s()),
            [[6, [2, 4]], 4],
        ),
        (lambda t: chord(two(t), group(t.same.s(), t.total.s())), [[2, 4], 6]),
        (lambda t: chord(two(t), t.total.s() | t.add.s(1)), 7),
        (lambda t: group(two(t)) | group(t.total.s(), t.total.s()) | t.same.s(), [6, 6]),
        (lambda t: chord([t.add.s(1, 1), t.become.s(1)], t.same.s()), [2, [2, 3]]),
    ],
)  # fmt: skip
def test_a_workflow_gives_its_result(
    tasks: Tasks, workflow: Callable[[Tasks], Any], expected: Any
) -> None:
    assert workflow(tasks).delay().get(timeout=20) == expected


def test_a_join_waits_for_a_member_that_was_added_while_it_ran(tasks: Tasks) -> None:
    result = chord([tasks.add.s(1, 1), tasks.grow.s(1)], tasks.same.s()).delay()

    assert sorted(result.get(timeout=20)) == [1, 2, 101]


@pytest.mark.parametrize(
    "workflow",
    [
        lambda t: chord([t.add.s(1, 1), t.fail.s()], t.same.s()),
        lambda t: chord([t.add.s(1, 1), t.fail.s() | t.same.s()], t.same.s()),
        lambda t: chord([t.add.s(1, 1), t.fail.s()], t.same.s() | t.same.s()),
        lambda t: chord([t.add.s(1, 1), t.fail.s()], group(t.same.s(), t.same.s())),
        lambda t: chord([chord([t.add.s(1, 1), t.fail.s()], t.total.s()), t.add.s(2, 2)],
                        t.same.s()),
    ],
)  # fmt: skip
def test_a_failed_member_fails_all_that_comes_after_it(
    tasks: Tasks, workflow: Callable[[Tasks], Any]
) -> None:
    result = workflow(tasks).delay()

    with pytest.raises(Exception, match="ValueError: no"):
        result.get(timeout=20)


@pytest.mark.filterwarnings("ignore:Exception raised outside body")
def test_a_worker_goes_on_after_what_waits_could_not_be_sent(tasks: Tasks, broker: Any) -> None:
    broker.refuses = "same"
    broker.error = OperationalError("broker away")
    chord(two(tasks), tasks.same.s()).delay()
    while not broker.refused:
        tasks.add.delay(1, 1).get(timeout=20)
    broker.error = None

    assert chord(two(tasks), tasks.same.s()).delay().get(timeout=20) == [2, 4]


def test_results_are_stored_with_the_tasks_name(tasks: Tasks, app: Celery) -> None:
    result = tasks.add.delay(1, 2)

    assert result.get(timeout=20) == 3
    assert app.backend.load([result.id])[result.id].task_name == "add"
