"""Which dead letters a command means: some by their ids, or all of a filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fw_core.broker.app import App
from fw_core.errors import UnknownDeadLetter
from fw_worker.dead_letters import table
from fw_worker.dead_letters.letter import DeadLetter
from fw_worker.dead_letters.table import Filter

PAGE = 200

EVERYTHING = Filter()
"""All that waits for a decision."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What a command is to work on.

    Attributes:
        ids: Of dead letters or of calls; if there are any, the filter is not asked.
        wanted: The filter.
    """

    ids: tuple[str, ...] = ()
    wanted: Filter = EVERYTHING

    def pages(self, app: App, *, is_brief: bool = False) -> Iterator[list[DeadLetter]]:
        """The letters, those that died first first, some at a time.

        Args:
            app: The app.
            is_brief: Leave the bodies and tracebacks of a filter in the database.

        Raises:
            UnknownDeadLetter: an id is that of none.
            ResultStoreError: the database cannot be read.
        """
        if self.ids:
            yield by_ids(app, self.ids)
            return
        found = _page(app, self.wanted, after=None, is_brief=is_brief)
        while found:
            yield found
            if len(found) < PAGE:
                return
            found = _page(app, self.wanted, after=found[-1], is_brief=is_brief)


def _page(
    app: App, wanted: Filter, *, after: DeadLetter | None, is_brief: bool
) -> list[DeadLetter]:
    found: list[DeadLetter] = app.backend.database.statement(
        lambda connection: table.page(
            connection, wanted, after=after, limit=PAGE, is_brief=is_brief
        ),
        timeout=app.backend.read_timeout,
    )
    return found


def by_ids(app: App, ids: Sequence[str]) -> list[DeadLetter]:
    """The letters with these ids; for a call's id those that wait for a decision, or all if none.

    Raises:
        UnknownDeadLetter: an id is that of none.
        ResultStoreError: the database cannot be read.
    """
    found: list[DeadLetter] = app.backend.database.statement(
        lambda connection: table.find_ids(connection, ids), timeout=app.backend.read_timeout
    )
    chosen: dict[str, DeadLetter] = {}
    for name in ids:
        meant = [letter for letter in found if letter.dead_id == name] or [
            letter for letter in found if letter.task_id == name
        ]
        if not meant:
            raise UnknownDeadLetter(name=name)
        waiting = [letter for letter in meant if letter.state in table.WAITING]
        chosen.update((letter.dead_id, letter) for letter in waiting or meant)
    return list(chosen.values())
