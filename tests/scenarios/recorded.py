"""What one engine produced for one scenario, ready to be compared and to cross processes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scenario_recorder import Row

from fw_core.broker.app import App
from fw_core.errors import ResultStoreError
from fw_core.results.rows import ResultRow
from fw_worker.dead_letters import table
from fw_worker.dead_letters.letter import DeadLetter, State
from fw_worker.dead_letters.table import Filter

_ALL = Filter(states=tuple(State))


@dataclass(frozen=True, slots=True)
class Recorded:
    """One scenario's events on one engine.

    Attributes:
        events: As text, in the form of :func:`scenario_story.canonical`.
        started: The calls in the order of their first attempts.
        no_priorities: Whether the broker has none.
    """

    events: str
    started: tuple[str, ...]
    no_priorities: bool = False


def dead_letters(app: App) -> list[DeadLetter]:
    """All collected dead letters, oldest first, read as ``fw dead list`` reads them."""
    try:
        found: list[DeadLetter] = app.backend.database.statement(
            lambda connection: table.newest(connection, _ALL, limit=100_000), timeout=5
        )
    except ResultStoreError:
        return []  # the tables are not there yet
    return found[::-1]


def results_of(app: App, rows: Sequence[Row], ids: Iterable[str] = ()) -> dict[str, ResultRow]:
    """What is stored of the calls in some rows, and of others."""
    found: dict[str, ResultRow] = app.backend.load({row["id"] for row in rows} | set(ids))
    return found


def by_scenario(
    rows: Sequence[Row], names: Iterable[str]
) -> tuple[dict[str, list[Row]], dict[str, str]]:
    """Which rows belong to which scenario, and which calls do.

    A call belongs to the scenario that sent it, or else to that of the call that did; a message
    from elsewhere has the scenario's name as its id.

    Args:
        rows: The rows of all of them.
        names: Their names.
    """
    owners: dict[str, str] = {name: name for name in names}
    for row in rows:
        if row["kind"] in {"sent", "watched"}:
            related = (owners.get(row.get(name) or "") for name in ("parent", "root"))
            owner = row["scenario"] or next(filter(None, related), None)
            if owner is not None:
                owners.setdefault(row["id"], owner)
    sorted_rows: dict[str, list[Row]] = {}
    for row in rows:
        sorted_rows.setdefault(owners.get(row["id"], ""), []).append(row)
    return sorted_rows, owners


def letters_by_scenario(
    letters: Iterable[DeadLetter], owners: Mapping[str, str]
) -> dict[str, list[DeadLetter]]:
    """Which dead letters belong to which scenario: by their call, or by their message's header."""
    found: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        headers: dict[str, Any] = json.loads(letter.headers)
        owner = owners.get(letter.task_id or "") or headers.get("scenario") or ""
        found.setdefault(str(owner), []).append(letter)
    return found
