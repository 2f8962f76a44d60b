"""A worker as a process: how it starts, what it says, how it ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from celery.apps import worker as celery_worker
from celery.apps.worker import _shutdown_handler
from celery.exceptions import SecurityWarning
from celery.platforms import EX_OK

from fw_core.broker.app import App
from fw_worker.broker_connection import check_login
from fw_worker.routing import queues_to_take
from fw_worker.starting import Starting, prepare_local_results, starting
from fw_worker.stopping import Stopping

_logger = logging.getLogger("fw.worker")


def run_worker(
    app: App,
    *,
    queues: Sequence[str] = (),
    concurrency: int | None = None,
    pool: str = "prefork",
    tell: Callable[[Starting], None],
) -> int:
    """Run a worker until it is told to stop; its process has to end then, or is ended.

    SIGTERM and Ctrl+C let the attempts that run come to their end, if they can in the setting
    ``stop_timeout``; Ctrl+C a second time, or SIGQUIT, does not. What was not run to its end is run
    by another worker.

    Args:
        app: The worker's app.
        queues: The queues to take; all, if none is given.
        concurrency: Attempts at the same time; as many as there are processors, if not given.
        pool: prefork, threads or solo.
        tell: Called once with what the worker says at its start.

    Returns:
        The exit code: 0 where it was told to stop.

    Raises:
        UnknownQueueError: a queue is asked for that does not exist.
        SettingsError: the broker refuses the login.
    """
    names = queues_to_take(app, queues)
    check_login(app)
    prepare_local_results(app)
    worker = WorkerProcess(
        app=app,
        hostname=f"fw-{os.getpid()}@{socket.gethostname()}",
        queues=names,
        concurrency=1 if pool == "solo" else concurrency or "auto",
        pool=pool,
        told=lambda: tell(
            starting(
                app,
                worker=worker.hostname,
                queues=names,
                concurrency=int(worker.concurrency or 1),
                pool=pool,
            )
        ),
    )
    worker.start()
    _logger.info("Stopped")
    return int(worker.exitcode or EX_OK)


class WorkerProcess(celery_worker.Worker):  # type: ignore[misc]
    """Celery's worker as a program, with fw's words."""

    stopping: Stopping

    def __init__(self, *, told: Callable[[], None], **options: Any) -> None:
        self._told = told
        super().__init__(**options)

    def on_before_init(self, **options: Any) -> None:
        """Celery's warning about root is about pickled messages; fw takes JSON only."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)
            super().on_before_init(**options)

    def emit_banner(self) -> None:
        """Nothing: fw's own comes when a SIGTERM is already answered."""

    def install_platform_tweaks(self, worker: Any) -> None:
        """Say what starts. A signal that comes now ends it; the step StopInTime takes over then."""
        for name in ("SIGTERM", "SIGINT", "SIGQUIT"):
            _shutdown_handler(self, sig=name, verbose=False)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # a terminal that is closed
            signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        celery_worker.install_cry_handler()
        self._told()
