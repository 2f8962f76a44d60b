"""Celery's result backend, on fw's own tables.

The stock one opens a connection for each poll, writes five statements for each task and fails
joins that are delivered twice. This one keeps one connection for each process and stores each
state with one upsert. It is loaded and made without SQLAlchemy, and a call never touches the
database: a team's app that only sends needs neither.

It derives from ``BaseBackend`` (Celery's interface and the synchronous reading), not from the
key-value backend: that one reads before it writes, and keeps what a query needs in one blob.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from celery import states
from celery.backends.base import BaseBackend
from celery.exceptions import TimeoutError as CeleryTimeout
from celery.result import result_from_tuple

from fw_core import urls
from fw_core.attempt.failure import AttemptFailed, describe
from fw_core.errors import ResultStoreError
from fw_core.outside import going_to
from fw_core.results.rows import (
    FAILURES,
    FINAL,
    SUCCESS,
    WITH_ERROR,
    ResultRow,
    meta_of,
    row_of,
    step_of,
)
from fw_core.results.waiting import REAL_CLOCK, pauses

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fw_core.database.connection import Database

_logger = logging.getLogger("fw.results")

T = TypeVar("T")

FOR_EVER = 365 * 24 * 3600.0

AWAY_SECONDS = 5.0
"""How long a database that did not answer is taken to be away."""


_Base: Any = BaseBackend  # Celery has no types


class ResultBackend(_Base):  # type: ignore[misc]
    """Keeps results in PostgreSQL or SQLite.

    Args:
        app: The Celery app.
        url: The database, as in ``FW_DATABASE_URL``.
        store_timeout: Seconds for which storing is tried again while the database is away.
        read_timeout: The same for reading. Both can also be given in the app's
            ``result_backend_transport_options``.
        away_seconds: How long it is taken to be away after it did not answer.
    """

    supports_native_join = True

    def __init__(
        self,
        app: Any,
        url: str,
        *,
        store_timeout: float | None = None,
        read_timeout: float | None = None,
        away_seconds: float = AWAY_SECONDS,
        **options: Any,
    ) -> None:
        # JSON whatever the app is set to: an unpickled result would be code from the database.
        super().__init__(app, **{**options, "serializer": "json", "url": urls.database_url(url)})
        # One for all threads: what it shares is the kept connection, on which they take turns.
        self.thread_safe = True
        given = app.conf.get("result_backend_transport_options") or {}
        self.store_timeout = _first(store_timeout, given.get("store_timeout"), 3.0)
        self.read_timeout = _first(read_timeout, given.get("read_timeout"), 3.0)
        self._away_seconds = away_seconds
        self._away_until = 0.0

    @cached_property
    def database(self) -> Database:
        """The database; SQLAlchemy is loaded here, and nothing is connected yet."""
        from fw_core.database.connection import Database

        return Database(self.url)

    def as_uri(self, include_password: bool = False) -> str:
        """The database's URL, for the worker's banner."""
        url: str = self.url
        return url if include_password else urls.safe_url(url)

    @property
    def is_away(self) -> bool:
        """Whether the database has just failed to answer.

        Whoever can go another way need not wait for it; a write that succeeds ends this.
        """
        return time.monotonic() < self._away_until

    # Writing

    def mark_as_done(
        self,
        task_id: str,
        result: Any,
        request: Any = None,
        store_result: bool = True,
        state: str = SUCCESS,
    ) -> None:
        """Store a success and count its join, unless that has been done."""
        if not is_settled(request):
            super().mark_as_done(task_id, result, request, store_result, state)

    def mark_as_failure(
        self,
        task_id: str,
        exc: Any,
        traceback: Any = None,
        request: Any = None,
        store_result: bool = True,
        call_errbacks: bool = True,
        state: str = states.FAILURE,
    ) -> None:
        """Store a failure, fail its join and what was to follow, unless that has been done."""
        if not is_settled(request):
            # First, so that it is this error that the workflow has failed with, not its join's.
            self._fail_workflow(task_id, exc, traceback, request)
            super().mark_as_failure(
                task_id, exc, traceback, request, store_result, call_errbacks, state
            )

    def _fail_workflow(self, task_id: str, exc: Any, traceback: Any, request: Any) -> None:
        """Fail a workflow with its step, at once: a join of others may take hours yet."""
        workflow_id = getattr(request, "root_id", None)
        if step_of(request) is None or workflow_id in (None, task_id):
            return
        from fw_core.results import statements

        row = row_of(
            task_id=workflow_id,
            state=states.FAILURE,
            value=exc,
            traceback=traceback,
            request=None,
            children=None,
            now=datetime.now(UTC),
        )
        self.write(lambda connection: statements.store_first(connection, row))

    def _call_task_errbacks(self, request: Any, exc: Any, traceback: Any) -> None:
        """Send the error callbacks under ids that are the same each time."""
        errbacks: list[Any] = []
        for number, errback in enumerate(request.errbacks or ()):
            signature = self.app.signature(errback)
            seed = f"{request.id}:errback:{number}"
            signature["options"].setdefault("task_id", str(uuid.uuid5(uuid.NAMESPACE_OID, seed)))
            errbacks.append(signature)
        request.errbacks = errbacks
        super()._call_task_errbacks(request, exc, traceback)

    def store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: Any = None,
        request: Any = None,
        **_: Any,
    ) -> Any:
        """Store a state with one statement, tried again for ``store_timeout`` seconds.

        Raises:
            ResultStoreError: the database did not take it.
            kombu.exceptions.EncodeError: ``result`` is no JSON value.
        """
        is_step = step_of(request) is not None
        if state not in FINAL and getattr(request, "ignore_result", False) and not is_step:
            # A success of such a task stores nothing, so this state would stay for ever.
            return result
        row = self._row(task_id, result, state, traceback, request)
        from fw_core.results import statements

        if state in FINAL:
            is_told = is_step and state in FAILURES and not row.attempts  # by a step before it
            store = statements.store_first if is_told else statements.store
            self.write(lambda connection: store(connection, row))
            return result
        # STARTED and RETRY only inform: a store that is away must not stop an attempt for them.
        if self.is_away:
            return result
        try:
            self.database.statement(lambda connection: statements.store(connection, row), timeout=0)
        except ResultStoreError as error:
            _logger.warning(
                "the state %s of %s could not be stored: %s", state, task_id, error.what
            )
        return result

    def store_successes(self, successes: Iterable[tuple[Any, Any]]) -> None:
        """Store the successes of several calls with one statement.

        Args:
            successes: Celery's request of each call, and what it returned.

        Raises:
            ResultStoreError: the database did not take them; perhaps not one of them.
            kombu.exceptions.EncodeError: one is no JSON value.
        """
        from fw_core.results import statements

        now = datetime.now(UTC)
        rows = [
            self._row(request.id, value, SUCCESS, None, request, now)
            for request, value in successes
        ]
        self.write(lambda connection: statements.store_all(connection, rows))

    def _row(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: Any,
        request: Any,
        now: datetime | None = None,
    ) -> ResultRow:
        children = self.current_task_children(request)
        return row_of(
            task_id=str(task_id),
            state=state,
            value=result if state in WITH_ERROR else self.encode(self.prepare_value(result)),
            traceback=traceback,
            request=request,
            children=self.encode(children) if children else None,
            now=now or datetime.now(UTC),
        )

    def _forget(self, task_id: str) -> None:
        from fw_core.results import statements

        self.write(lambda connection: statements.forget(connection, task_id))

    def _save_group(self, group_id: str, result: Any) -> Any:
        from fw_core.results import statements

        values = {
            "group_id": group_id,
            "members": self.encode(result.as_tuple()),
            "created_at": datetime.now(UTC),
        }
        self.write(lambda connection: statements.store_group(connection, values))
        return result

    def _delete_group(self, group_id: str) -> None:
        from fw_core.results import statements

        self.write(lambda connection: statements.forget_group(connection, group_id))

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` of one statement that changes something.

        Raises:
            ResultStoreError: the database did not take it within ``store_timeout`` seconds.
        """
        self._ask_the_gate()
        with self._noting_absence():
            return self.database.statement(work, timeout=self.store_timeout)

    def _ask_the_gate(self) -> None:
        going_to(self.url, by_default=getattr(self.app, "is_by_default", False))

    @contextmanager
    def _noting_absence(self) -> Generator[None]:
        try:
            yield
        except ResultStoreError:
            self._away_until = time.monotonic() + self._away_seconds
            raise
        self._away_until = 0.0

    # Starts of messages that were delivered before

    def count_start(self, message_id: str, request: Any) -> int:
        """Count one more start of a message, and return how many there have been.

        Raises:
            ResultStoreError: the database did not answer within ``read_timeout`` seconds.
        """
        from fw_core.results import starts

        row = {
            "message_id": message_id,
            "task_id": request.id,
            "starts": 1,
            "started_at": datetime.now(UTC),
            "worker": getattr(request, "hostname", None),
        }
        return self.read(lambda connection: starts.count(connection, row))

    def forget_start(self, message_id: str) -> None:
        """Take the last counted start of a message back."""
        from fw_core.results import starts

        self.write(lambda connection: starts.take_back(connection, message_id))

    # Joins (Celery's chords): see join.py

    def apply_chord(self, header_result_args: Any, body: Any, **_: Any) -> None:
        """Prepare a join before its members are sent."""
        from fw_core.results import join

        join.prepare(self, self.app.GroupResult(*header_result_args), body)

    def on_chord_part_return(self, request: Any, state: str, result: Any, **_: Any) -> None:
        """Count a member that has ended; the last one sends what waits."""
        from fw_core.results import join

        join.member_ended(self, request, state, result)

    def add_to_chord(self, chord_id: str, result: Any) -> None:
        """Make a running join wait for one more task."""
        from fw_core.results import join_rows

        now = datetime.now(UTC)
        self.database.transaction(
            lambda connection: join_rows.add_member(connection, chord_id, result.id, now=now),
            timeout=self.store_timeout,
        )

    # Reading

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        return self.get_task_metas([task_id])[task_id]

    def get_task_metas(self, task_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What ``AsyncResult`` reads from, of several tasks with one statement.

        Raises:
            ResultStoreError: the database did not answer within ``read_timeout`` seconds.
        """
        ids = list(task_ids)
        rows = self.load(ids)
        return {task_id: meta_of(rows.get(task_id), task_id) for task_id in ids}

    def load(self, task_ids: Iterable[str]) -> dict[str, ResultRow]:
        """Read the rows of several tasks with one statement; those without one are left out.

        Raises:
            ResultStoreError: the database did not answer within ``read_timeout`` seconds.
        """
        from fw_core.results import statements

        ids = list(task_ids)
        return self.read(lambda connection: statements.load(connection, ids))

    def _restore_group(self, group_id: str) -> dict[str, Any] | None:
        from fw_core.results import statements

        members = self.read(lambda connection: statements.load_group(connection, group_id))
        return None if members is None else {"result": result_from_tuple(members, self.app)}

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` of one statement that changes nothing that matters.

        Raises:
            ResultStoreError: the database did not answer within ``read_timeout`` seconds.
        """
        self._ask_the_gate()
        with self._noting_absence():
            return self.database.statement(work, timeout=self.read_timeout)

    def task_result_exists(self, task_id: str) -> bool:
        """Whether anything is stored of the task."""
        return bool(self.load([task_id]))

    def exception_to_python(self, exc: Any) -> Any:
        """Stand in for a stored error; no class is ever imported for it."""
        if exc is None or isinstance(exc, BaseException):
            return exc
        return AttemptFailed(describe(exc))

    # Waiting

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float = 0.5,
        no_ack: bool = True,
        on_interval: Callable[[], Any] | None = None,
    ) -> dict[str, Any]:
        """Wait until the task has ended, looking often at first and then every ``interval``."""
        for meta in self.get_many([task_id], timeout, interval, on_interval=on_interval):
            return meta[1]
        raise AssertionError("unreachable: get_many yields or raises")

    def get_many(
        self,
        task_ids: Iterable[str],
        timeout: float | None = None,
        interval: float | None = 0.5,
        no_ack: bool = True,
        on_message: Callable[[Any], Any] | None = None,
        on_interval: Callable[[], Any] | None = None,
        max_iterations: int | None = None,
        READY_STATES: frozenset[str] = states.READY_STATES,  # noqa: N803 - Celery's signature
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each task's meta once it has ended: one statement a look, however many tasks."""
        self._ensure_not_eager()
        left = dict.fromkeys(map(str, task_ids))
        steps = pauses(
            FOR_EVER if timeout is None else timeout, clock=REAL_CLOCK, longest=interval or 0.5
        )
        looks = 0
        while left:
            for task_id, row in self.load(left).items():
                if row.state in READY_STATES:
                    del left[task_id]
                    meta = meta_of(row, task_id)
                    if on_message is not None:
                        on_message(meta)
                    yield task_id, meta
            looks += 1
            if not left or looks == max_iterations:
                return
            if on_interval is not None:
                on_interval()
            pause = next(steps, None)
            if pause is None:
                raise CeleryTimeout("The operation timed out.")
            REAL_CLOCK.sleep(pause)

    def __reduce__(self, args: Any = (), kwargs: Any = None) -> Any:
        given = {"store_timeout": self.store_timeout, "read_timeout": self.read_timeout}
        return super().__reduce__(args, {**(kwargs or {}), "url": self.url, **given})


_SETTLED = "fw_settled"


def mark_settled(request: Any) -> None:
    """Note on Celery's request that its outcome has been kept and followed up."""
    setattr(request, _SETTLED, True)


def is_settled(request: Any) -> bool:
    """Whether the outcome of a request has been kept and followed up."""
    return getattr(request, _SETTLED, False) is True


def _first(*values: float | None) -> float:
    return next(float(value) for value in values if value is not None)
