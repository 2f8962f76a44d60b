"""Which app sends a call: one for tests, that of the running task, or this process's own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fw_core.broker.app import App

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
