"""What a collector needs of its own: an app without the team's modules, and an end."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime

from fw_core.broker.app import App, create_app, results_url
from fw_core.results.backend import ResultBackend
from fw_core.settings import Settings
from fw_worker.dead_letters.routes import Routes, router

STORE_SECONDS = 3.0
"""How long one statement is tried; its message is tried again in any case."""

_PR_SET_PDEATHSIG = 1


def collector_app(
    settings: Settings,
    routes: Routes,
    *,
    clock: Callable[[], datetime] | None = None,
    store_timeout: float = STORE_SECONDS,
) -> App:
    """An app that knows no task and sends by name: what waits for a join, callbacks.

    Args:
        settings: The worker's.
        routes: Which queue each task goes to.
        clock: Gives the time instead of the system.
        store_timeout: How long one statement is tried, in seconds.
    """
    app = create_app(
        settings,
        {},
        clock=clock,
        result_backend=lambda app: ResultBackend(
            app=app, url=results_url(app.settings), store_timeout=store_timeout
        ),
    )
    app.conf.task_routes = (router(app, routes),)
    return app


def die_with(parent: int) -> Callable[[], None]:
    """End this process when its parent ends, however that ends.

    Linux tells a child of its parent's death; elsewhere, and for a parent that was gone before it
    could be asked for, the child looks.

    Args:
        parent: The process id of the parent.

    Returns:
        What looks whether the parent is there, and raises ``SystemExit`` if not.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    def check() -> None:
        if os.getppid() != parent:
            raise SystemExit(0)

    check()
    return check
