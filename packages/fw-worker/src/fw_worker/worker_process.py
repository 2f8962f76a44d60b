"""A worker as a process: how it starts, what it says, how it ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from billiard.common import REMAP_SIGTERM
from celery import signals
from celery.apps import worker as celery_worker
from celery.exceptions import SecurityWarning
from celery.platforms import EX_OK
from celery.worker import state

from fw_core.broker.app import App
from fw_worker import logs
from fw_worker.broker_connection import check_login
from fw_worker.routing import queues_to_take
from fw_worker.starting import Starting, prepare_local_results, starting

_logger = logging.getLogger("fw.worker")


def run_worker(
    app: App,
    *,
    queues: Sequence[str] = (),
    concurrency: int | None = None,
    pool: str = "prefork",
    tell: Callable[[Starting], None],
) -> int:
    """Run a worker until it is told to stop.

    SIGTERM and Ctrl+C let the attempts that run come to their end; Ctrl+C a second time, or
    SIGQUIT, does not: their messages go back to their queues.

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
        """What signals do: Celery's own handlers, without what they print. Then say what starts."""
        signals.worker_shutting_down.connect(_say_stopping, weak=False)
        if REMAP_SIGTERM == "SIGQUIT":  # the deployment wants a SIGTERM that does not wait
            celery_worker.install_worker_term_handler(self, verbose=False)
        else:
            for name in ("SIGTERM", "SIGHUP"):
                if signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN:
                    celery_worker.install_worker_term_handler(self, sig=name, verbose=False)
        celery_worker.install_worker_term_hard_handler(self, verbose=False)
        celery_worker.install_worker_int_handler(
            self, verbose=False, exitcode=EX_OK, callback=_second_is_hard
        )
        celery_worker.install_cry_handler()
        self._told()


def _second_is_hard(worker: Any) -> None:
    celery_worker.install_worker_term_hard_handler(worker, sig="SIGINT", verbose=False)


def _say_stopping(sig: str = "", how: str = "", **_: Any) -> None:
    running = len(state.active_requests)
    attempts = f"{running} attempt{'s' * (running != 1)} still running"
    if how == "Cold":
        logs.say_at_once(f"Stopping now ({sig}): {attempts}, whose messages go back")
    elif running:
        logs.say_at_once(f"Stopping ({sig}): takes no more messages; waits for {attempts}")
    else:
        logs.say_at_once(f"Stopping ({sig})")
