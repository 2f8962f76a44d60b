"""A batch of messages from the broker, kept in the database: all that can be, each on its own.

What is kept may be acknowledged. What is not stays with the broker: because the database or the
broker is away, which every message will find so, or because of this one message, which must not
hold up the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kombu.exceptions import OperationalError

from fw_core.attempt.failure import AttemptFailed, cut_end
from fw_core.attempt.outcome import Cause
from fw_core.broker.app import App
from fw_core.errors import ResultStoreError, SendError
from fw_core.headers import DEAD
from fw_core.results.rows import FAILURES, ResultRow
from fw_worker import outcomes
from fw_worker.dead_letters import table
from fw_worker.dead_letters.context import context_of
from fw_worker.dead_letters.death import Death
from fw_worker.dead_letters.inference import infer
from fw_worker.dead_letters.letter import DeadLetter, letter_of
from fw_worker.dead_letters.raw_message import Call, RawMessage, named_call, read_call
from fw_worker.outcomes import KeptOutcome
from fw_worker.settle import settle_failure

_logger = logging.getLogger("fw.worker")

_MAY_PASS = (SendError, OperationalError, OSError)


class _NotYet(Exception):  # noqa: N818 - reads as what happened
    """Whoever waits for a call cannot be told now how it died."""

    def __init__(self, death: Death, error: Exception) -> None:
        super().__init__(_said(error))
        self.death = death


@dataclass(frozen=True, slots=True)
class Left:
    """A message that is not kept.

    Attributes:
        message: The message.
        why: What stood in the way, in one line.
        death: How its call died, where that is known by now.
    """

    message: Any
    why: str
    death: Death | None = None


class DatabaseAway(Exception):  # noqa: N818 - reads as what happened
    """Nothing can be kept now."""


@dataclass(slots=True)
class Kept:
    """What became of a batch.

    Attributes:
        dead: How many dead letters are in the table now.
        outcomes: How many outcomes were stored.
        done: The messages that are kept; they may be acknowledged.
        left: The messages that are not.
        away: Why the database takes nothing; empty if it does.
    """

    dead: int = 0
    outcomes: int = 0
    done: list[Any] = field(default_factory=list[Any])
    left: list[Left] = field(default_factory=list[Left])
    away: str = ""


def keep(
    app: App,
    dead: Sequence[Any],
    kept_outcomes: Sequence[Any] = (),
    *,
    between: Callable[[], None] = lambda: None,
) -> Kept:
    """Keep a batch of messages; those in the answer's ``done`` are committed.

    Args:
        app: The app; its result backend says where the database is.
        dead: Messages from the queue of dead letters.
        kept_outcomes: Messages from the queue of outcomes.
        between: Called between two messages, so that the broker hears of us in a long batch.
    """
    batch = _Batch(app, Kept(), between)
    try:
        batch.run(dead, kept_outcomes)
    except DatabaseAway as away:
        batch.kept.away = str(away)
        done = {id(message) for message in batch.kept.done}
        left = {id(left.message) for left in batch.kept.left}
        batch.kept.left += [
            Left(message, str(away))
            for message in (*dead, *kept_outcomes)
            if id(message) not in done | left
        ]
    return batch.kept


@dataclass(slots=True)
class _Batch:
    app: App
    kept: Kept
    between: Callable[[], None]

    def run(self, dead: Sequence[Any], kept_outcomes: Sequence[Any]) -> None:
        letters: list[tuple[Any, DeadLetter]] = []
        for message in kept_outcomes:
            self.between()
            letters += self._each(message, self._outcome)
        stored = self._stored_results(dead)
        for message in dead:
            self.between()
            letters += self._each(message, lambda raw: self._dead(raw, stored))
        self._insert(letters)

    def _each(
        self, message: Any, work: Callable[[RawMessage], DeadLetter | None]
    ) -> list[tuple[Any, DeadLetter]]:
        """Do the work for one message; the letter that it leaves, if any."""
        try:
            letter = work(RawMessage.of(message))
        except _NotYet as not_yet:
            self.kept.left.append(Left(message, str(not_yet), not_yet.death))
            return []
        except _MAY_PASS as error:
            self.kept.left.append(Left(message, _said(error)))
            return []
        except DatabaseAway:
            raise
        except Exception as error:
            # Whatever a stranger wrote into this one, the others must not wait for it.
            _logger.exception("A dead letter cannot be read and is kept as it came")
            letter = self._as_it_came(message, error)
        if letter is None:
            self.kept.done.append(message)
            return []
        return [(message, letter)]

    def _as_it_came(self, message: Any, error: Exception) -> DeadLetter:
        raw = RawMessage.of(message)
        death = Death(
            cause=Cause.UNREADABLE,
            reason="what the message says of itself cannot be read",
            error=AttemptFailed.of(error).error,
            at=self.app.now(),
            attempts=0,
            queue=raw.routing_key.removeprefix(self.app.topology.prefix),
        )
        return letter_of(raw, None, death, now=self.app.now(), note=_said(error))

    def _outcome(self, raw: RawMessage) -> DeadLetter | None:
        """Store an outcome; one that can never be stored becomes a dead letter."""
        try:
            outcome = KeptOutcome.from_body(raw.body)
            outcomes.store(self.app, outcome)
        except ResultStoreError as error:
            self._check_database()
            return self._lost_outcome(raw, error)
        except _MAY_PASS:
            raise
        except Exception as error:  # noqa: BLE001 - whatever its value does to an encoder
            return self._lost_outcome(raw, error)
        self.kept.outcomes += 1
        return None

    def _lost_outcome(self, raw: RawMessage, error: Exception) -> DeadLetter:
        _logger.error("An outcome cannot be stored and is kept as a dead letter: %s", _said(error))
        death = Death(
            cause=Cause.NO_RESULT,
            reason="its outcome could not be stored",
            error=AttemptFailed.of(error).error,
            at=self.app.now(),
            attempts=1,
            queue=self.app.topology.outcomes,
        )
        return letter_of(raw, None, death, now=self.app.now())

    def _dead(self, raw: RawMessage, stored: dict[str, ResultRow]) -> DeadLetter:
        topology, now = self.app.topology, self.app.now()
        told = Death.from_header(raw.headers.get(DEAD))
        is_start = self._was_to_start(raw, told)
        call = None if is_start else read_call(raw)
        death = told or infer(raw, call, topology=topology, now=now, is_start=is_start)
        if told is None and call is not None and death.cause is Cause.REJECTED:
            death = _with_stored_error(death, stored.get(call.task_id))
        named = None if death.is_settled or is_start else named_call(raw)
        note = "" if named is None else self._settle(named, death)
        return letter_of(raw, call, death, now=now, note=note)

    def _was_to_start(self, raw: RawMessage, told: Death | None) -> bool:
        """Whether a message was to start a workflow; whatever its headers say, it is no call."""
        queue = self.app.settings.workflow_queue
        name = self.app.topology.queue_name(queue)
        return bool(queue) and (told.queue == queue if told else raw.routing_key == name)

    def _settle(self, call: Call, death: Death) -> str:
        """Tell whoever waits for the call; what can never be told is noted with the letter."""
        failed = AttemptFailed(death.error, death.reason)
        try:
            settle_failure(self.app, call.task_id, failed, context_of(call, death))
        except ResultStoreError as error:
            self._check_database()
            return _cannot_tell(call, error)
        except _MAY_PASS as error:
            raise _NotYet(death, error) from error
        except Exception as error:  # noqa: BLE001 - whatever a foreign embed does to Celery
            return _cannot_tell(call, error)
        return ""

    def _stored_results(self, dead: Sequence[Any]) -> dict[str, ResultRow]:
        """The results of the calls whose messages do not say how they died."""
        silent = [m for m in dead if Death.from_header((m.headers or {}).get(DEAD)) is None]
        # An id that no database could keep is nobody's.
        ids = {cut_end(str((m.headers or {}).get("id") or ""), 500) for m in silent} - {""}
        if not ids:
            return {}
        try:
            return self.app.backend.load(ids)  # type: ignore[no-any-return]
        except Exception as error:  # noqa: BLE001 - they are kept without
            self._check_database()
            _logger.warning("What is stored of dead letters cannot be read: %s", _said(error))
            return {}

    def _insert(self, letters: Sequence[tuple[Any, DeadLetter]]) -> None:
        if not letters:
            return
        try:
            self._commit([letter for _, letter in letters])
        except ResultStoreError as error:
            self._check_database()
            if len(letters) > 1:
                for each in letters:
                    self.between()
                    self._insert([each])
                return
            [(message, letter)] = letters
            try:
                self._commit([_bare(letter, error)])
            except ResultStoreError as again:
                self._check_database()
                self.kept.left.append(Left(message, again.what))
                return
        self.kept.done += [message for message, _ in letters]
        self.kept.dead += len(letters)

    def _commit(self, letters: Sequence[DeadLetter]) -> None:
        self.app.backend.database.transaction(
            lambda connection: table.insert(connection, letters),
            timeout=self.app.backend.store_timeout,
        )

    def _check_database(self) -> None:
        """Tell a database that is away from a message that it refuses.

        Raises:
            DatabaseAway: it answers nothing at all.
        """
        try:
            self.app.backend.database.statement(table.touch, timeout=0)
        except ResultStoreError as error:
            raise DatabaseAway(error.what) from None


def _with_stored_error(death: Death, row: ResultRow | None) -> Death:
    """A worker that rejects a message may have stored why."""
    if row is None or row.state not in FAILURES or row.error is None:
        return death
    return replace(
        death,
        reason="its worker gave it up",
        error=row.error,
        attempts=row.attempts,
        worker=row.worker or "",
    )


def _bare(letter: DeadLetter, error: ResultStoreError) -> DeadLetter:
    """The message itself and no more, where something that was made of it is refused."""
    return replace(
        letter,
        cause=Cause.UNREADABLE,
        error_type="Unreadable",
        error_message="The database refused what the message says of itself.",
        note=cut_end(error.cause, 1000),
        task_id=None,
        task_name=None,
        queue=None,
        traceback=None,
        arguments=None,
        tries="[]",
        worker=None,
    )


def _cannot_tell(call: Call, error: Exception) -> str:
    said = _said(error)
    _logger.error("Who waits for %s cannot be told that it failed: %s", call.task_id, said)
    return f"who waits for it could not be told: {type(error).__name__}: {said}"


def _said(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
