"""Bootstraps the worker's Celery app; reads like a table of contents.

``fw_worker.app:app`` is a plain Celery app: ``celery -A fw_worker.app worker``, Flower and every
Celery tool work on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from fw_core import client
from fw_core.broker.app import App
from fw_core.broker.app import create_app as create_core_app
from fw_core.broker.task import WorkerSide
from fw_core.declare.registry import TASK_REGISTRY
from fw_core.settings import Settings, default_settings
from fw_worker import logs
from fw_worker.attempts import run_attempt
from fw_worker.checks import check_timeouts, prefetch
from fw_worker.dead_letters.process import CollectDeadLetters
from fw_worker.request import AttemptRequest
from fw_worker.stopping import StopInTime
from fw_worker.strategy import strategy
from fw_worker.task_modules import import_task_modules

WORKER_SIDE = WorkerSide(runner=run_attempt, request=AttemptRequest, strategy=strategy)


def create_app(
    settings: Settings | None = None,
    registry: Mapping[str, Any] = TASK_REGISTRY,
    *,
    clock: Callable[..., Any] | None = None,
    result_backend: Callable[[App], Any] | None = None,
) -> App:
    """Make the app that a worker runs.

    Args:
        settings: The settings; those of the environment if not given.
        registry: The tasks; all that have been declared, if not given.
        clock: Gives the time instead of the system.
        result_backend: Makes the app's result backend instead of the settings' database.

    Raises:
        TaskModuleError: a task module cannot be imported.
        UnknownQueueError: a task uses a queue that no worker declares.
        SettingsError: a task's timeout cannot be kept.
    """
    settings = settings or default_settings()
    import_task_modules(settings)
    app = create_core_app(
        settings, registry, worker_side=WORKER_SIDE, clock=clock, result_backend=result_backend
    )
    check_timeouts(app)
    app.conf.update(_worker_configuration(app))
    app.steps["worker"].add(CollectDeadLetters)
    app.steps["worker"].add(StopInTime)
    return app


def _worker_configuration(app: App) -> dict[str, Any]:
    return {
        "worker_consumer": "fw_worker.consumer:WorkerConsumer",
        "worker_prefetch_multiplier": prefetch(app),
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_proc_alive_timeout": 30,
    }


@cache
def _own_app() -> App:
    settings = default_settings()
    logs.configure(settings)
    app = create_app(settings)
    app.is_by_default = True
    client.set_own_app(app)
    return app


def __getattr__(name: str) -> Any:
    """``app``, made from the settings when it is first asked for."""
    if name == "app":
        return _own_app()
    raise AttributeError(name)
