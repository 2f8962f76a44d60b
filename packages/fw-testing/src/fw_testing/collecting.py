"""The collector beside the worker, when it is told to look: dead letters and kept outcomes.

In production it is a process of its own. What it does with a message is done here by the same
functions, between two messages of the worker, in virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import text

from fw_core.attempt.failure import TaskError
from fw_core.broker.app import App
from fw_core.broker.local import MessageView, Store
from fw_core.errors import ResultStoreError
from fw_core.headers import DEAD
from fw_core.results.backend import ResultBackend
from fw_core.results.rows import decode
from fw_testing.records import DeadLetter
from fw_worker.dead_letters import table
from fw_worker.dead_letters.alone import collector_app
from fw_worker.dead_letters.batch import keep
from fw_worker.dead_letters.choice import Choice
from fw_worker.dead_letters.death import Death
from fw_worker.dead_letters.discarding import discard
from fw_worker.dead_letters.inference import infer
from fw_worker.dead_letters.letter import DeadLetter as Letter
from fw_worker.dead_letters.letter import letter_of
from fw_worker.dead_letters.raw_message import RawMessage, read_call
from fw_worker.dead_letters.routes import routes_of
from fw_worker.dead_letters.sending_again import Replayed, replay

_MOST = 10_000


class Results(ResultBackend):
    """The results of a test: nothing is waited for, and what waits in the broker is read too."""

    def __init__(self, app: Any, url: str, before_reading: Callable[[], None]) -> None:
        super().__init__(app, url, store_timeout=0.0, read_timeout=0.0, away_seconds=0.0)
        self._before_reading = before_reading

    def load(self, task_ids: Any) -> Any:
        """Read the rows of several tasks, after the collector has looked."""
        self._before_reading()
        return super().load(task_ids)


class Collecting:
    """Keeps what is in the queues of dead letters and outcomes.

    Args:
        app: The worker's app.
        store: Its broker.
        connection: A connection to it.
    """

    def __init__(self, app: App, store: Store, connection: Any) -> None:
        self._app = app
        self._store = store
        self._connection = connection
        self._topology = app.topology
        self._is_busy = False

    def collect(self, *, by_hand: bool = False) -> None:
        """Keep what is there; what cannot be kept now stays with the broker for the next time.

        Args:
            by_hand: Also if the settings say that this worker does not collect.
        """
        if self._is_busy or not (by_hand or self._app.settings.collect_dead_letters):
            return
        counts = self._store.ready_counts(self._queues)
        if not counts:
            return
        self._is_busy = True
        try:
            # What is left goes back to its queue when the channel closes.
            with self._connection.channel() as channel:
                dead, outcomes = (
                    [
                        channel.message_to_python(channel.basic_get(name))
                        for _ in range(counts.get(name, 0))
                    ]
                    for name in self._queues
                )
                app = self._own_app if outcomes or not all(map(_is_settled, dead)) else self._app
                _ = self._app.backend.database  # used from now on: to be read, and emptied
                for message in keep(app, dead, outcomes).done:
                    message.ack()
        finally:
            self._is_busy = False

    def dead(self) -> list[DeadLetter]:
        """The dead letters that wait for a decision, oldest first."""
        self.collect()
        kept: list[Letter] = []
        if "database" in self._app.backend.__dict__:  # something was stored or read
            with suppress(ResultStoreError):
                kept = self._app.backend.database.statement(_kept, timeout=0)
        still = [self._letter(view) for view in self._store.messages(self._topology.dead)]
        return [_record(letter) for letter in kept + still]

    def replay(self, ids: Sequence[str], *, to: str | None) -> Replayed:
        """Send dead letters again; all, if no ids are given."""
        self.collect(by_hand=True)
        return replay(self._app, Choice(ids=tuple(ids)), to=to)

    def discard(self, ids: Sequence[str], *, reason: str) -> list[Letter]:
        """Note that dead letters are not needed; all, if no ids are given."""
        self.collect(by_hand=True)
        return discard(self._app, Choice(ids=tuple(ids)), reason=reason)

    def close(self) -> None:
        """Let go of the collector's own app, if there is one."""
        if "_own_app" in self.__dict__:
            self._own_app.close()

    @cached_property
    def _queues(self) -> tuple[str, str]:
        return self._topology.dead, self._topology.outcomes

    @cached_property
    def _own_app(self) -> App:
        """An app like that of the collector's process: it knows no task and sends by name."""
        app = self._app
        routes = routes_of(app.registry)
        return collector_app(app.settings, routes, clock=app.now, store_timeout=0.0)

    def _letter(self, view: MessageView) -> Letter:
        """The dead letter that a message would be kept as."""
        raw = RawMessage(
            body=view.body,
            headers=view.headers,
            properties=view.properties,
            content_type=view.properties.get("content_type"),
            content_encoding=view.properties.get("content_encoding"),
            routing_key=view.key,
        )
        now: datetime = self._app.now()
        call = read_call(raw)
        told = Death.from_header(view.headers.get(DEAD))
        death = told or infer(raw, call, topology=self._topology, now=now)
        return letter_of(raw, call, death, now=now)


def _is_settled(message: Any) -> bool:
    death = Death.from_header((message.headers or {}).get(DEAD))
    return death is not None and death.is_settled


def _kept(connection: Any) -> list[Letter]:
    """The letters that wait for a decision, in the order in which they were kept."""
    found = table.page(connection, table.Filter(), after=None, limit=_MOST)
    if len(found) < 2:
        return found
    rows = connection.execute(text("SELECT dead_id FROM fw_dead_letters ORDER BY rowid"))
    place = {row.dead_id: number for number, row in enumerate(rows)}
    return sorted(found, key=lambda letter: place[letter.dead_id])


def _record(letter: Letter) -> DeadLetter:
    call: Any = decode(letter.arguments) or {"args": [], "kwargs": {}}
    return DeadLetter(
        task=letter.task_name or "",
        args=tuple(call["args"]),
        kwargs=dict(call["kwargs"]),
        id=letter.task_id or "",
        queue=letter.queue or "",
        error=str(TaskError(letter.error_type, letter.error_message)),
        cause=letter.cause,
        reason=letter.reason,
        attempts=letter.attempts,
        died_at=letter.died_at,
        dead_id=letter.dead_id,
        body=letter.body,
    )
