"""Discard: a person's decision that a dead letter is not needed, kept with its reason."""

from __future__ import annotations

from fw_core.broker.app import App
from fw_core.errors import OptionError
from fw_worker.dead_letters import table
from fw_worker.dead_letters.choice import Choice
from fw_worker.dead_letters.letter import DeadLetter


def discard(app: App, choice: Choice, *, reason: str, is_dry: bool = False) -> list[DeadLetter]:
    """Note that dead letters are not needed; returns those that still waited for a decision.

    Raises:
        OptionError: the reason is empty.
        UnknownDeadLetter: an id is that of none.
        ResultStoreError: the database does not answer.
    """
    if not reason.strip():
        raise OptionError(
            "--reason is empty.",
            "Who looks into it later will want to know why a call was given up.",
            '--reason "order 42 was cancelled by hand"',
        )
    discarded: list[DeadLetter] = []
    for letters in choice.pages(app, is_brief=True):
        waiting = [letter for letter in letters if letter.state in table.WAITING]
        discarded += [letter.brief() for letter in waiting]
        if waiting and not is_dry:
            _discard(app, [letter.dead_id for letter in waiting], reason)
    return discarded


def _discard(app: App, ids: list[str], reason: str) -> None:
    app.backend.database.transaction(
        lambda connection: table.discard(connection, ids, reason, app.now()),
        timeout=app.backend.store_timeout,
    )
