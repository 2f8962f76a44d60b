"""Outcomes that the database could not take when they came: kept in the broker until it can.

A worker whose task is done publishes what it would have stored to the queue of outcomes, and only
then acknowledges the call; the collector stores it when the database is back.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from celery.app.task import Context

from fw_core.broker.app import App


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptOutcome:
    """A success that is still to be stored.

    Attributes:
        task_id: The call.
        value: What the task returned, as plain values.
        context: What the result store wants to know of its message.
        is_stored: Whether somebody reads the result, so that it is stored; a join that the task
            is a member of is counted in any case.
    """

    task_id: str
    value: Any
    context: dict[str, Any]
    is_stored: bool

    def to_body(self) -> bytes:
        """The outcome as the body of a message."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_body(cls, body: bytes | str) -> Self:
        """Read what :meth:`to_body` wrote."""
        return cls(**json.loads(body))


def store(app: App, outcome: KeptOutcome) -> None:
    """Store an outcome and count its join; to do so twice does no harm.

    Raises:
        ResultStoreError: the database did not take it.
        SendError: what waited for the join could not be sent now.
    """
    backend: Any = app.backend
    request = Context(outcome.context)
    backend.mark_as_done(outcome.task_id, outcome.value, request, outcome.is_stored)
