"""Outcomes that the database could not take when they came: kept in the broker until it can.

A worker whose task is done publishes what it would have stored to the queue of outcomes, and only
then acknowledges the call; the collector stores it when the database is back.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from celery.app.task import Context
from celery.result import result_from_tuple
from kombu.utils.json import dumps, loads

from fw_core.attempt.failure import AttemptFailed, TaskError
from fw_core.broker.app import App
from fw_core.broker.follow_up import following_up
from fw_core.broker.publish import Letter


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptOutcome:
    """A success that is still to be stored, or the failure of a call that was never sent.

    Attributes:
        task_id: The call.
        value: What the task returned, as plain values.
        context: What the result store wants to know of its message.
        is_stored: Whether somebody reads the result, so that it is stored; a join that the task
            is a member of is counted in any case.
        children: The calls that it made, and those that follow it.
        error: Why it failed; None: it succeeded.
    """

    task_id: str
    value: Any
    context: dict[str, Any]
    is_stored: bool
    children: list[Any] = field(default_factory=list[Any])
    error: dict[str, str] | None = None

    @classmethod
    def of(cls, request: Any, value: Any, *, is_stored: bool) -> Self:
        """The outcome of Celery's request."""
        known = vars(request)
        return cls(
            task_id=request.id,
            value=value,
            context={name: known[name] for name in _CONTEXT if known.get(name) is not None},
            children=[child.as_tuple() for child in request.children],
            is_stored=is_stored,
        )

    @classmethod
    def never_sent(cls, context: Any, failed: AttemptFailed) -> Self:
        """The failure of a call that the broker never takes."""
        known = vars(context)
        return cls(
            task_id=context.id,
            value=None,
            context={
                name: known[name]
                for name in (*_CONTEXT, "chain", "errbacks", "delivery_info")
                if known.get(name) is not None
            },
            is_stored=True,
            error=asdict(failed.error),
        )

    def to_body(self) -> bytes:
        """The outcome as the body of a message."""
        body: str = dumps(asdict(self))
        return body.encode()

    @classmethod
    def from_body(cls, body: bytes | str) -> Self:
        """Read what :meth:`to_body` wrote."""
        return cls(**loads(body))


_CONTEXT = (
    "id", "task", "retries", "headers", "root_id", "parent_id", "group", "group_index", "chord",
    "hostname",
)  # fmt: skip


def store(app: App, outcome: KeptOutcome) -> None:
    """Store an outcome and count its join; to do so twice does no harm.

    Raises:
        ResultStoreError: the database did not take it.
        SendError: what waited for the join could not be sent now.
    """
    backend: Any = app.backend
    request: Any = Context(outcome.context)
    request.children.extend(result_from_tuple(child, app) for child in outcome.children)
    with following_up():
        if outcome.error is not None:
            failed = AttemptFailed(TaskError(**outcome.error))
            backend.mark_as_failure(outcome.task_id, failed, failed.error.traceback, request)
            return
        backend.mark_as_done(outcome.task_id, outcome.value, request, outcome.is_stored)


def post(app: App, outcome: KeptOutcome) -> None:
    """Put an outcome into the queue of outcomes; it is confirmed when this returns.

    Raises:
        Unconfirmed: the broker does not take it, or enough of them wait there already.
    """
    letter = Letter(
        queue=app.topology.outcomes,
        is_call=False,
        exchange=app.topology.outcomes,
        wait_ms=None,
        body=outcome.to_body(),
        content_type="application/json",
        content_encoding="utf-8",
        headers={"id": outcome.task_id},
    )
    with app.producer_or_acquire() as producer:
        app.amqp.post(producer, letter)
