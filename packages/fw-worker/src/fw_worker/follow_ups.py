"""What a success is followed by: callbacks, and the next step of a workflow.

Their ids are the same each time that the message of the finished step is worked on: a step that
is delivered again after its result was stored sends no strangers.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

from celery.canvas import group, maybe_signature

from fw_core.broker.app import App
from fw_core.headers import CHECK

Send = Callable[[], Any]


def follow_ups(
    app: App, request: Any, value: Any, *, check: bool
) -> Iterator[tuple[str | None, Send]]:
    """The id of each follow-up of a success, and how it is sent; callbacks first.

    Args:
        app: The app.
        request: Celery's request of the finished call.
        value: What it returned.
        check: Whether they may have been sent before, so that whoever gets one is to look first.
    """
    common = {"parent_id": request.id, "root_id": request.root_id or request.id}
    for number, callback in enumerate(request.callbacks or ()):
        signature = maybe_signature(callback, app=app)
        give_id(signature, f"{request.id}:callback:{number}")
        yield _id_of(signature), _sender(signature, value, check, common)
    if request.chain:
        step = maybe_signature(request.chain[-1], app=app)
        rest = {**common, "chain": request.chain[:-1]}
        yield _id_of(step), _sender(step, value, check, rest)


def give_id(signature: Any, seed: str) -> None:
    """Give a signature that has no id the one that follows from ``seed``."""
    if isinstance(signature, group):
        tasks: Any = signature.tasks
        for number, task in enumerate(tasks):
            give_id(task, f"{seed}.{number}")
    else:
        signature["options"].setdefault("task_id", str(uuid.uuid5(uuid.NAMESPACE_OID, seed)))


def _id_of(signature: Any) -> str | None:
    task_id: str | None = signature["options"].get("task_id")
    return task_id


def _sender(signature: Any, value: Any, check: bool, options: dict[str, Any]) -> Send:
    if check:
        headers = {**(signature["options"].get("headers") or {}), CHECK: True}
        options = {**options, "headers": headers}
    return lambda: signature.apply_async((value,), **options)
