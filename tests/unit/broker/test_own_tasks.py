"""An app makes the tasks that Celery brings when one of them is looked for, and not before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery, _state, shared_task

from fw_core.broker.app import App, create_app
from fw_core.broker.local import memory_url
from fw_core.settings import read_settings


def _names_made(app: App) -> list[str]:
    return list(dict.keys(app._tasks))


@pytest.fixture
def app() -> Iterator[App]:
    app = create_app(read_settings(broker_url=memory_url("own-tasks"), task_modules=()), {})
    yield app
    app.close()


def test_a_new_app_has_made_none_of_them(app: App) -> None:
    assert _names_made(app) == []


@pytest.mark.parametrize(
    "look",
    [
        lambda tasks: tasks["celery.chain"],
        lambda tasks: tasks.get("celery.chain"),
        lambda tasks: "celery.chain" in tasks,
        list,
        len,
        lambda tasks: list(tasks.keys()),
        lambda tasks: list(tasks.values()),
        dict,
        lambda tasks: {**tasks},
        lambda tasks: tasks.regular(),
    ],
)
def test_whoever_looks_finds_all_that_a_plain_app_has(app: App, look: object) -> None:
    assert callable(look)
    assert look(app.tasks)
    with Celery(set_as_current=False) as plain:
        plain.finalize()
        assert set(_names_made(app)) == set(plain.tasks)
    assert all(task.app is app for task in app.tasks.values())


def test_looking_for_a_task_of_the_team_makes_none(app: App) -> None:
    assert app.tasks.get("shop.send") is None
    with pytest.raises(app.tasks.NotRegistered):
        app.tasks["shop.send"]
    assert _names_made(app) == []


def test_a_task_that_is_not_there_is_not_registered(app: App) -> None:
    with pytest.raises(app.tasks.NotRegistered):
        app.tasks["celery.no_such"]


def test_shared_tasks_of_a_library_are_there_from_the_start() -> None:
    before = set(_state._on_app_finalizers)
    try:

        @shared_task(name="library.sweep")
        def sweep() -> None: ...

        app = create_app(read_settings(broker_url=memory_url("shared"), task_modules=()), {})
        assert _names_made(app) == ["library.sweep"]
        app.close()
    finally:
        _state._on_app_finalizers.intersection_update(before)


def test_a_child_of_a_fork_in_the_middle_of_the_making_makes_them_again(app: App) -> None:
    left, app._celerys = app._celerys, []  # by a thread that is not in the child
    left[0](app)
    assert len(_names_made(app)) == 1

    app.renew_after_fork()

    with Celery(set_as_current=False) as plain:
        plain.finalize()
        assert set(app.tasks) == set(plain.tasks)
