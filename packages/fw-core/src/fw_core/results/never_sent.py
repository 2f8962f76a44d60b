"""Who is told when a step is not run because the broker never takes its message.

A step that failed in a worker tells its join, the steps after it and its error callbacks by what
its message carries. This one has no message: what it would have carried is in its signature.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from celery.app.task import Context
from celery.canvas import _chain, chord, group, maybe_signature
from celery.utils.functional import maybe_list

from fw_core.headers import STEP


def whom_to_tell(
    app: Any, signature: Any, options: Mapping[str, Any] | None = None, *, unsent: str = ""
) -> list[Any]:
    """Celery's context of each call that ``signature`` stands for and that will not be run.

    Args:
        app: The app.
        signature: A task, or a group, a chord or a chain of them.
        options: What it was to be sent with: the steps after it, its parent.
        unsent: The id of the call that was refused; those of a group before it have been sent.
    """
    contexts = list(_contexts(maybe_signature(signature, app=app), dict(options or {})))
    ids: list[str | None] = [context.id for context in contexts]
    return contexts[ids.index(unsent) :] if unsent in ids else contexts


def _contexts(signature: Any, given: dict[str, Any]) -> Iterator[Any]:
    options = {**signature["options"], **given}
    errbacks = [*(maybe_list(signature["options"].get("link_error")) or ())]
    errbacks += maybe_list(given.get("link_error")) or ()
    inner = {**given, "link_error": errbacks}
    if isinstance(signature, group):
        for task in _tasks(signature):
            yield from _contexts(task, inner)
    elif isinstance(signature, chord):
        for member in _tasks(signature):
            for context in _contexts(member, given):
                # Its body is told by itself: some members may have been sent, and never end it.
                context.update(chord=None, chain=None, errbacks=[])
                yield context
        yield from _contexts(_as_signature(signature.body, signature), inner)
    elif isinstance(signature, _chain):
        first, *rest = _tasks(signature)
        if rest and options.get("task_id"):
            rest[-1]["options"].setdefault("task_id", options["task_id"])
        steps = [*(given.get("chain") or ()), *reversed(rest)]
        yield from _contexts(first, {**inner, "chain": steps})
    else:
        yield Context(
            {
                "id": options.get("task_id"),
                "task": signature["task"],
                "root_id": options.get("root_id"),
                "parent_id": options.get("parent_id"),
                "group": options.get("group_id"),
                "group_index": options.get("group_index"),
                "chord": options.get("chord"),
                "chain": options.get("chain"),
                "errbacks": errbacks,
                "headers": _own_step(options),
                "delivery_info": {},
                "called_directly": False,
            }
        )


def _own_step(options: Mapping[str, Any]) -> dict[str, Any]:
    """Its place in a workflow: all of its headers that matters to one that is not run."""
    headers = options.get("headers") or {}
    return {STEP: headers[STEP]} if STEP in headers else {}


def _tasks(signature: Any) -> list[Any]:
    return [_as_signature(task, signature) for task in signature.tasks]


def _as_signature(task: Any, of: Any) -> Any:
    return maybe_signature(task, app=of.app)
