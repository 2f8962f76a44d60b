"""Joins: a task that is sent once all the tasks before it have ended, without polling for them.

How many there are travels in each member's message, so whoever starts a join never touches the
database (only one whose members are nested groups keeps their shape there first). The member
whose end makes the join full claims it, sends what waits under the id that was fixed when the
join was made, and then marks it as fired. A crash before the mark leaves the claim; the member's
message was not acknowledged, comes again, finds its own claim and sends again under the same id.
So what waits is sent at least once, and more than once only after a crash or a claim that was
held for longer than its lease.

A join with a failed member is not sent: its result becomes a failure that names the member. Once
all its failed members have been replayed and succeeded, it is sent after all.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from celery.canvas import maybe_signature
from celery.result import GroupResult
from kombu.exceptions import OperationalError

from fw_core.attempt.failure import TaskError, describe
from fw_core.errors import JoinFailed, JoinSizeUnknown, NeverSent, ResultStoreError, SendError
from fw_core.headers import STEP
from fw_core.results.never_sent import whom_to_tell
from fw_core.results.rows import FAILURES, SUCCESS, decode

if TYPE_CHECKING:
    from fw_core.results.backend import ResultBackend
    from fw_core.results.join_rows import Member

SIZE = "chord_size"
"""The key in the message's signature of what waits; older Celery used the same."""

SHAPE = "fw_shape"
"""Set there if the members' results are to be nested as the stored group is."""

logger = logging.getLogger("fw.results")

_MAY_PASS = (OperationalError, SendError, ResultStoreError, OSError)


def prepare(backend: ResultBackend, header: Any, body: Any) -> None:
    """Write into ``body``, which every member's message carries, how many members there are."""
    body[SIZE] = _count(header)
    if any(isinstance(result, GroupResult) for result in header.results):
        body[SHAPE] = True
        backend.save_group(header.id, header)


def member_ended(backend: ResultBackend, request: Any, state: str, result: Any) -> None:
    """Count a member's end, and send what waits if it was the last one.

    Raises:
        ResultStoreError: it could not be counted.
        SendError, kombu.exceptions.OperationalError: what waits could not be sent now. In both
            cases the member's message must stay: delivered again (or replayed), it is counted
            once and sends what waits.
    """
    from fw_core.results import join_rows

    if not request.group or not request.id or not request.chord:
        return
    waiting = dict(request.chord)
    size, shape = waiting.pop(SIZE, None), waiting.pop(SHAPE, False)
    if size is None:
        _fail(backend, waiting, JoinSizeUnknown(join=request.group))
        return
    member = _member(backend, request, state, result)
    now = datetime.now(UTC)
    members = backend.database.transaction(
        lambda connection: join_rows.end_member(
            connection, request.group, member, size=size, now=now
        ),
        timeout=backend.store_timeout,
    )
    if members is not None:
        _fire(backend, request.group, waiting, members, has_shape=shape)


def is_counted(request: Any) -> bool:
    """Whether the call is a member of a join whose size its message tells."""
    chord = request.chord
    return bool(request.group and request.id and chord and dict(chord).get(SIZE) is not None)


def members_ended(backend: ResultBackend, ended: Sequence[tuple[Any, Any]]) -> None:
    """Count members that have succeeded, and send what waits for each join that is full by them.

    Args:
        backend: Where joins are kept.
        ended: Celery's request of each member, and what it returned.

    Raises:
        ResultStoreError, SendError, kombu.exceptions.OperationalError: as :func:`member_ended`.
            To count them again, each by itself, does no harm.
    """
    from fw_core.results import join_rows

    by_join: dict[str, list[tuple[Any, Any]]] = {}
    for request, value in ended:
        by_join.setdefault(request.group, []).append((request, value))
    for join_id, own in by_join.items():
        waiting = dict(own[0][0].chord)
        size, shape = waiting.pop(SIZE), waiting.pop(SHAPE, False)
        members = [_member(backend, request, SUCCESS, value) for request, value in own]
        count = partial(
            join_rows.end_members,
            join_id=join_id,
            members=members,
            size=size,
            now=datetime.now(UTC),
        )
        found = backend.database.transaction(count, timeout=backend.store_timeout)
        if found is not None:
            _fire(backend, join_id, waiting, found, has_shape=shape)


def _fire(
    backend: ResultBackend,
    join_id: str,
    waiting: dict[str, Any],
    members: Sequence[Member],
    *,
    has_shape: bool,
) -> None:
    from fw_core.results import join_rows

    try:
        failed = [member for member in members if member.state in FAILURES]
        if failed:
            _fail(backend, waiting, _why(failed))
        else:
            values = _values(backend, join_id, members, has_shape=has_shape)
            send = maybe_signature(dict(waiting), app=backend.app).delay
            backend.app.amqp._retry_publish(send, values)
    except _MAY_PASS as error:
        if isinstance(error, SendError) and error.is_final:
            _never_sent(backend, join_id, waiting, error)
            return
        with suppress(ResultStoreError):
            backend.database.statement(
                lambda connection: join_rows.release(connection, join_id), timeout=0
            )
        raise
    except Exception as error:
        # It will never be sendable, so whoever waits for it must be told.
        logger.exception("what waits for %s cannot be sent", join_id)
        _fail(backend, waiting, error)
    _mark_fired(backend, join_id)


def _mark_fired(backend: ResultBackend, join_id: str) -> None:
    from fw_core.results import join_rows

    backend.database.statement(
        lambda connection: join_rows.mark_fired(connection, join_id, now=datetime.now(UTC)),
        timeout=backend.store_timeout,
    )


def _never_sent(
    backend: ResultBackend, join_id: str, waiting: dict[str, Any], error: SendError
) -> None:
    """Fail what waits, which the broker will never take: too large, with all the results."""
    never = NeverSent(task=error.task, cause=error.cause, fix=error.fix)
    logger.error("what waits for %s is not run: %s", join_id, never.what)
    for context in whom_to_tell(backend.app, dict(waiting), unsent=error.task_id):
        backend.mark_as_failure(context.id, never, None, context)
    _mark_fired(backend, join_id)


def _fail(backend: ResultBackend, waiting: dict[str, Any], error: Exception) -> None:
    """Fail what waits, and with it the steps after it and the join that it is a member of."""
    callback = maybe_signature(dict(waiting), app=backend.app)
    options = callback["options"]
    is_step = STEP in (options.get("headers") or {})
    if is_step or options.get("chain") or options.get("chord"):
        for context in whom_to_tell(backend.app, callback):
            backend.mark_as_failure(context.id, error, None, context)
        return
    try:
        raise error  # Celery takes the traceback from the error that is being handled
    except Exception as raised:
        backend.chord_error_from_stack(callback, raised)


def _why(failed: Sequence[Member]) -> JoinFailed:
    first = failed[0]
    return JoinFailed(
        task=first.task_name or "",
        member=first.member_id,
        error=str(TaskError(first.error_type or "Error", first.error_message or "")),
        failed=len(failed),
    )


def _member(backend: ResultBackend, request: Any, state: str, result: Any) -> Member:
    from fw_core.results.join_rows import Member

    error = describe(result) if state in FAILURES else None
    return Member(
        member_id=request.id,
        position=request.group_index,
        task_name=getattr(request, "task", None),
        state=state,
        result=None if error else backend.encode(backend.prepare_value(result)),
        error_type=error.type if error else None,
        error_message=error.message if error else None,
    )


def _values(
    backend: ResultBackend, join_id: str, members: Sequence[Member], *, has_shape: bool
) -> list[Any]:
    values = {member.member_id: decode(member.result) for member in members}
    header = backend.restore_group(join_id, cache=False) if has_shape else None
    if header is None:
        return list(values.values())
    return [_nested(result, values) for result in header.results]


def _nested(result: Any, values: dict[str, Any]) -> Any:
    if isinstance(result, GroupResult):
        children: Any = result.results
        return [_nested(child, values) for child in children]
    return values.get(result.id)


def _count(result: Any) -> int:
    if isinstance(result, GroupResult):
        children: Any = result.results
        return sum(_count(child) for child in children)
    return 1
