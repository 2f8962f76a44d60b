"""Old rows are deleted about hourly, in batches that hold nobody up."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from fw_core.broker.app import App
from fw_core.errors import ResultStoreError
from fw_core.results.old_rows import EVERY_KIND
from fw_worker.dead_letters import table

BATCH = 1000
EVERY_SECONDS = 3600.0
STARTS_KEPT = timedelta(days=7)

_logger = logging.getLogger("fw.worker")


class Pruning:
    """Deletes what has been kept for long enough, when it is time to.

    Args:
        app: The app.
        monotonic: Gives the time that passes.
    """

    def __init__(self, app: App, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._monotonic = monotonic
        # Not all workers of a deployment at once.
        self._next = monotonic() + random.uniform(0.01, 0.1) * EVERY_SECONDS  # noqa: S311

    def run_if_due(self) -> int:
        """Delete one batch if it is time; what is left over follows at the next turn."""
        if self._monotonic() < self._next:
            return 0
        try:
            deleted, is_full = prune(self._app)
        except ResultStoreError as error:
            _logger.warning("Old results and dead letters cannot be deleted now: %s", error.what)
            deleted, is_full = 0, False
        if not is_full:
            self._next = self._monotonic() + EVERY_SECONDS
        return deleted


def prune(app: App, *, most: int = BATCH) -> tuple[int, bool]:
    """Delete up to ``most`` rows of each kind; returns how many, and whether more may be left.

    Letters that still wait for a decision are never deleted, however old. Results are, whatever
    their state: who replays an old letter gets a new one.

    Raises:
        ResultStoreError: the database did not do it.
    """
    now, days = app.now(), app.settings.dead_letters_keep_days
    results_days = app.settings.results_keep_days
    database, timeout = app.backend.database, app.backend.store_timeout
    counts = [
        database.statement(
            lambda connection: table.prune_starts(connection, before=now - STARTS_KEPT, most=most),
            timeout=timeout,
        )
    ]
    if days:
        counts.append(
            database.statement(
                lambda connection: table.prune(
                    connection, before=now - timedelta(days=days), most=most
                ),
                timeout=timeout,
            )
        )
    if results_days:
        before = now - timedelta(days=results_days)
        counts += [
            database.transaction(partial(delete_some, before=before, most=most), timeout=timeout)
            for delete_some in EVERY_KIND
        ]
    return sum(counts), max(counts) >= most
