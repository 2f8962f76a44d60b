"""Which app sends a call: one for tests, that of the running task, or this process's own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from fw_core.broker.app import App

P = ParamSpec("P")
T = TypeVar("T")

_lock = threading.Lock()
_active: list[App] = []
_own: App | None = None


def current_app() -> App:
    """The app that sends here and now.

    The innermost :func:`using` wins, then the app of the task that is running, then this
    process's own, which is made from the settings on the first call.

    Raises:
        SettingsError: a setting cannot work.
    """
    if _active:
        return _active[-1]
    running = _running_app()
    return running or _own or _make_own()


@contextmanager
def using(app: App) -> Iterator[App]:
    """Send through ``app`` in every thread until the block ends."""
    _active.append(app)
    try:
        yield app
    finally:
        _active.remove(app)


def set_own_app(app: App | None) -> None:
    """Make ``app`` this process's own: a worker sends through the app that it runs."""
    global _own
    _own = app


def for_another_thread(function: Callable[P, T]) -> Callable[P, T]:
    """``function`` as another thread may call it: a call that it sends is the running task's.

    Celery keeps the running task for each thread; without this the call would have no parent.
    """
    from celery._state import _task_stack, get_current_task

    task = get_current_task()
    if task is None:
        return function
    request = task.request_stack.top

    def inside_the_task(*args: P.args, **kwargs: P.kwargs) -> T:
        _task_stack.push(task)
        task.request_stack.push(request)
        try:
            return function(*args, **kwargs)
        finally:
            task.request_stack.pop()
            _task_stack.pop()

    return inside_the_task


def _running_app() -> App | None:
    from celery._state import get_current_task

    from fw_core.broker.app import App

    task = get_current_task()
    app = getattr(task, "app", None)
    return app if isinstance(app, App) else None


def _make_own() -> App:
    global _own
    from fw_core.broker.app import create_app
    from fw_core.declare.registry import TASK_REGISTRY
    from fw_core.settings import default_settings

    with _lock:
        if _own is None:
            _own = create_app(default_settings(), TASK_REGISTRY)
            _own.is_by_default = True
        return _own


def _after_fork_in_child() -> None:
    """Another thread of the parent may have held the lock, and is not here to let go of it."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
