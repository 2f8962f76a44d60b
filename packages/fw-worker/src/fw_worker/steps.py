"""A step of a workflow begins: one whose workflow was cancelled does not, one that lasts is shown.

Most steps are over before anybody could look. So that a step runs is stored by a thread, of those
that still do in a moment; and whether a workflow was cancelled is looked up once for many of them.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

from celery.exceptions import Ignore

from fw_core.broker.app import App
from fw_core.errors import ResultStoreError, WorkflowCancelled
from fw_core.headers import PLAN
from fw_core.results.rows import BEGAN, ResultRow, row_of, step_of
from fw_core.results.waiting import REAL_CLOCK

CANCELLED_SECONDS = 1.0
"""How long a look at whether a workflow was cancelled is good for."""

SHOWN_SECONDS = 0.1
"""How long a step runs before that is stored."""

_MOST_LOOKED_UP = 1000

_logger = logging.getLogger("fw.worker")


def begin_step(app: App, request: Any) -> None:
    """Note that a step of a workflow runs; do nothing for any other call.

    That it runs only informs: a database that is away does not stop it.

    Raises:
        Ignore: its workflow was cancelled. It is stored so, and nothing follows it.
        ResultStoreError: that could not be stored.
    """
    if step_of(request) is None or not request.root_id:
        return
    setattr(request, BEGAN, datetime.now(UTC))
    try:
        may_begin = _may_begin(app, request)
    except ResultStoreError as error:
        _logger.debug("what is known of a workflow could not be read: %s", error.what)
        return
    if may_begin:
        return
    _logger.info("%s[%s] is not run: its workflow was cancelled", request.task, request.id)
    cancelled = WorkflowCancelled(workflow_id=request.root_id)
    app.backend.store_result(request.id, cancelled, "REVOKED", request=request)
    raise Ignore


def end_step(request: Any) -> None:
    """Its attempt has ended: whatever is stored now says more than that it ran."""
    _running.ended(request.id)


def _may_begin(app: App, request: Any) -> bool:
    if app.backend.is_away:
        return True
    _note_held(app, request)
    if app.pauses is not REAL_CLOCK:  # a test sees each step, and its database has no threads
        return store_running(app, _running_row(request))
    if _cancelled.has(app, request.root_id):
        return False
    _running.began(app, request)
    return True


def _note_held(app: App, request: Any) -> None:
    """Note a workflow that waited for a transaction, when its first step begins."""
    from fw_core.workflow import state_rows

    text = (request.headers or {}).get(PLAN)
    if not isinstance(text, str):
        return
    now, workflow_id = app.now(), request.root_id
    app.backend.database.statement(
        lambda connection: state_rows.add(
            connection, workflow_id=workflow_id, plan=text, data="null", now=now
        ),
        timeout=0,
    )


def store_running(app: App, row: ResultRow) -> bool:
    """Store that a step runs, unless more is known of it; False: its workflow was cancelled.

    Raises:
        ResultStoreError: the database did not take it.
    """
    from fw_core.workflow import state_rows

    workflow_id = row.root_id or ""
    begun: bool = app.backend.database.statement(
        lambda connection: state_rows.begin_step(connection, row, workflow_id), timeout=0
    )
    return begun


def _running_row(request: Any) -> ResultRow:
    return row_of(
        task_id=request.id,
        state="STARTED",
        value=None,
        traceback=None,
        request=request,
        children=None,
        now=getattr(request, BEGAN),
    )


class _Cancelled:
    """Which workflows were cancelled, as far as was looked up a moment ago."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, bool]] = {}

    def has(self, app: App, workflow_id: str) -> bool:
        """Whether this one was.

        Raises:
            ResultStoreError: it could not be looked up.
        """
        from fw_core.workflow import state_rows

        looked, is_cancelled = self._known.get(workflow_id, (0.0, False))
        if looked and time.monotonic() - looked < CANCELLED_SECONDS:
            return is_cancelled
        found: bool = app.backend.database.statement(
            lambda connection: state_rows.is_cancelled(connection, workflow_id), timeout=0
        )
        if len(self._known) >= _MOST_LOOKED_UP:
            self._known.clear()
        self._known[workflow_id] = time.monotonic(), found
        return found


class _Running:
    """The steps that run in this process, stored by a thread if they still do in a moment."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[App, ResultRow]] = {}
        self._due: deque[tuple[float, str]] = deque()
        self._changed = threading.Event()
        self._thread: threading.Thread | None = None

    def began(self, app: App, request: Any) -> None:
        """A step begins."""
        self._rows[request.id] = app, _running_row(request)
        self._due.append((time.monotonic() + SHOWN_SECONDS, request.id))
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="fw-steps", daemon=True)
            self._thread.start()
        if len(self._due) == 1:
            self._changed.set()

    def ended(self, task_id: str) -> None:
        """It has ended."""
        self._rows.pop(task_id, None)

    def _run(self) -> None:
        while True:
            if not self._due:
                self._changed.wait()
                self._changed.clear()
                continue
            due, task_id = self._due[0]
            time.sleep(max(0.0, due - time.monotonic()))
            self._due.popleft()
            found = self._rows.pop(task_id, None)
            if found is not None:
                self._store(*found)

    def _store(self, app: App, row: ResultRow) -> None:
        try:
            store_running(app, row)
        except Exception as error:  # noqa: BLE001 - the thread goes on for those that follow
            _logger.debug("that %s runs could not be stored: %r", row.task_id, error)


_cancelled = _Cancelled()
_running = _Running()


def _forget() -> None:
    """A forked process runs steps of its own."""
    global _running
    _running = _Running()


os.register_at_fork(after_in_child=_forget)
