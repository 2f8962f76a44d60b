"""A step of a workflow begins: its state is kept, and one whose workflow was cancelled does not."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from celery.exceptions import Ignore

from fw_core.broker.app import App
from fw_core.errors import ResultStoreError, WorkflowCancelled
from fw_core.headers import PLAN
from fw_core.results.rows import row_of, step_of

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
    if _may_begin(app, request):
        return
    _logger.info("%s[%s] is not run: its workflow was cancelled", request.task, request.id)
    error = WorkflowCancelled(workflow_id=request.root_id)
    app.backend.store_result(request.id, error, "REVOKED", request=request)
    raise Ignore


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


def _may_begin(app: App, request: Any) -> bool:
    from fw_core.workflow import state_rows

    backend: Any = app.backend
    if backend.is_away:
        return True
    row = row_of(
        task_id=request.id,
        state="STARTED",
        value=None,
        traceback=None,
        request=request,
        children=None,
        now=datetime.now(UTC),
    )
    try:
        _note_held(app, request)
        return bool(
            backend.database.statement(
                lambda connection: state_rows.begin_step(connection, row, request.root_id),
                timeout=0,
            )
        )
    except ResultStoreError as error:
        _logger.debug("that a step runs could not be stored: %s", error.what)
        return True
