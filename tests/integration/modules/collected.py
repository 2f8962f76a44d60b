"""What has been collected of a test's dead letters."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fw_core.broker.app import App
from fw_core.errors import ResultStoreError
from fw_worker.dead_letters import table
from fw_worker.dead_letters.letter import DeadLetter, State
from fw_worker.dead_letters.table import Filter


def letters(app: App, *states: State) -> list[DeadLetter]:
    """The collected dead letters, oldest first; none where the tables are not there yet."""
    wanted = Filter(states=states or tuple(State))
    try:
        found: list[DeadLetter] = app.backend.database.statement(
            lambda connection: table.newest(connection, wanted, limit=100_000), timeout=5
        )
    except ResultStoreError:
        return []
    return found[::-1]


def wait_until(condition: Callable[[], Any], what: Callable[[], Any], seconds: float = 60) -> None:
    """Wait for a condition, with a deadline; ``what`` is shown where it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


def wait_for_letters(app: App, number: int, *states: State, seconds: float = 60) -> None:
    """Wait until so many dead letters have been collected."""
    wait_until(
        lambda: len(letters(app, *states)) == number,
        lambda: [(letter.cause, letter.error_message) for letter in letters(app)],
        seconds,
    )
