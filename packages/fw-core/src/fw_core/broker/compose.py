"""A call as a message of Celery's protocol 2, in one step.

Celery's own way leads through ``apply_async``, ``send_task``, the router and ``as_task_v2``, which
know everything that may be asked of a message. What may be asked by ``.delay()`` and ``.options()``
is little, and checked before: the message is the same, and takes a third of the time to make.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from celery import signals
from celery.utils.nodenames import anon_nodename
from celery.utils.saferepr import saferepr
from kombu.exceptions import OperationalError
from kombu.utils.json import JSONEncoder

from fw_core.broker.follow_up import is_follow_up
from fw_core.broker.holding import Outgoing, holder
from fw_core.call.ids import new_id
from fw_core.call.size import check_message_size

if TYPE_CHECKING:
    from fw_core.broker.app import App
    from fw_core.broker.task import FrameworkTask

_SIMPLE = frozenset((int, float, bool, type(None)))
_SHORT = 1000
"""Characters that Celery shows whole: it cuts at 1,024."""

_encode = JSONEncoder().encode
"""kombu's ``dumps``, which makes an encoder for each call."""

_FOLLOWING: dict[str, None] = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a call asks for beyond its arguments; None: what its task was declared with.

    Attributes:
        queue: One of the team's queues.
        delay: Seconds before it may start.
        priority: Above 4 goes first.
        expires: Seconds, or the moment, after which it is not worth starting.
        headers: More headers.
    """

    queue: str | None = None
    delay: float | None = None
    priority: int | None = None
    expires: float | datetime | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)


NOTHING = Wanted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a call stands among others, in the words of Celery's protocol.

    Attributes:
        root_id: The call that began it all.
        parent_id: The call that it follows.
        group_id: The join that it is a member of.
        group_index: Which member it is.
        chain: The steps that follow it, the last one first.
        chord: What waits for the join.
    """

    root_id: str
    parent_id: str | None
    group_id: str | None = None
    group_index: int | None = None
    chain: Sequence[Any] | None = None
    chord: Any = None


def send_call(
    task: FrameworkTask,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    task_id: str,
    wanted: Wanted = NOTHING,
    producer: Any = None,
) -> None:
    """Send a call whose arguments are plain; it is confirmed when this returns.

    Args:
        task: The app's task.
        args: Its positional arguments.
        kwargs: Its named arguments.
        task_id: The id of the call.
        wanted: What it asks for.
        producer: The producer of the round that it is part of.

    Raises:
        CallError: it is too large.
        NotSent, MaybeSent: it is not known to be queued.
    """
    app = task.app
    deadline = time.monotonic() + app.settings.send_timeout
    message = compose(task, args, kwargs, task_id=task_id, wanted=wanted)
    keeper = holder()
    if keeper is not None:
        keeper.hold([message])
    elif producer is not None:
        app.amqp.send(producer, message)
    else:
        try:
            with app.producer_or_acquire() as own:
                app.amqp.send(own, message, deadline=deadline)
        except OperationalError as error:  # the pool stays empty
            raise app.busy({task_id: task.name}) from error
    parent = app.current_worker_task
    if parent is not None:
        parent.add_trail(task.AsyncResult(task_id))


def compose(
    task: FrameworkTask,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    task_id: str,
    wanted: Wanted = NOTHING,
    place: Place | None = None,
) -> Outgoing:
    """The message of a call.

    Args:
        task: The app's task.
        args: Its positional arguments.
        kwargs: Its named arguments.
        task_id: The id of the call.
        wanted: What it asks for.
        place: Where it stands, if it follows another call.

    Raises:
        CallError: it is too large.
    """
    app, spec = task.app, task.spec
    now = app.now()
    due = None if wanted.delay is None else now + timedelta(seconds=wanted.delay)
    root, parent = _family(app, task_id)
    shown_args, shown_kwargs = _shown(app, args, kwargs)
    priority = spec.priority if wanted.priority is None else wanted.priority
    headers = {
        "lang": "py",
        "task": task.name,
        "id": task_id,
        "shadow": None,
        "eta": None if due is None else due.isoformat(),
        "expires": _moment(now, task.expires if wanted.expires is None else wanted.expires),
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": root,
        "parent_id": parent,
        "argsrepr": shown_args,
        "kwargsrepr": shown_kwargs,
        "origin": _origin(os.getpid()),
        "ignore_result": task.ignore_result,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
        **wanted.headers,
    }
    properties: dict[str, Any] = {
        "correlation_id": task_id,
        "reply_to": app.thread_oid,
        "message_id": new_id(),
    }
    if priority is not None:
        properties["priority"] = priority
    queue = app.topology.queue_name(wanted.queue or spec.queue)
    following: dict[str, Any] = dict(_FOLLOWING)
    if place is not None:
        headers |= {
            "root_id": place.root_id,
            "parent_id": place.parent_id,
            "group": place.group_id,
            "group_index": place.group_index,
        }
        following |= {"chain": place.chain, "chord": place.chord}
    body = (args, kwargs, following)
    if signals.before_task_publish.receivers:
        signals.before_task_publish.send(
            sender=task.name,
            body=body,
            exchange=app.topology.tasks,
            routing_key=queue,
            declare=[],
            headers=headers,
            properties=properties,
            retry_policy={},
        )
    encoded = _encode(body)
    if not is_follow_up():  # too large a result fails in the next step's attempt
        check_message_size(task.name, body, len(encoded), limit=app.settings.message_limit)
    return Outgoing(
        app=app,
        task=task.name,
        task_id=task_id,
        queue=queue,
        due=due,
        exact=True,
        payload=body,
        body=encoded,
        content_type="application/json",
        content_encoding="utf-8",
        headers=headers,
        properties=properties,
        sent_event=_event(headers) if app.conf.task_send_sent_event else None,
    )


def _shown(app: App, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, str]:
    """Arguments as logs and monitors show them: Celery's form, which repr() is for plain ones."""
    if all(map(_is_simple, args)) and all(map(_is_simple, kwargs.values())):
        shown = repr(tuple(args)), repr(kwargs)
        if len(shown[0]) < _SHORT and len(shown[1]) < _SHORT and all(map(_is_simple, kwargs)):
            return shown
    amqp, levels = app.amqp, app.conf.task_repr_maxlevels
    return (
        saferepr(args, amqp.argsrepr_maxsize, maxlevels=levels),
        saferepr(kwargs, amqp.kwargsrepr_maxsize, maxlevels=levels),
    )


def _is_simple(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return value.isprintable() and "\\" not in value and "'" not in value
    return kind in _SIMPLE


@lru_cache(maxsize=1)
def _origin(pid: int) -> str:
    return anon_nodename()  # type: ignore[no-any-return]


def _family(app: App, task_id: str) -> tuple[str, str | None]:
    """The first call of those that led to this one, and the one that sends it."""
    running = app.current_worker_task
    if running is None:
        return task_id, None
    request = running.request
    return request.root_id or request.id, request.id


def _moment(now: datetime, expires: float | datetime | None) -> str | None:
    if expires is None:
        return None
    moment = expires if isinstance(expires, datetime) else now + timedelta(seconds=expires)
    return moment.isoformat()


def _event(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Celery's ``task-sent``."""
    return {
        "uuid": headers["id"],
        "root_id": headers["root_id"],
        "parent_id": headers["parent_id"],
        "name": headers["task"],
        "args": headers["argsrepr"],
        "kwargs": headers["kwargsrepr"],
        "retries": headers["retries"],
        "eta": headers["eta"],
        "expires": headers["expires"],
    }
