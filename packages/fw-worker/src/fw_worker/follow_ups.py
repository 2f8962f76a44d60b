"""What a success is followed by: callbacks, and the next step of a workflow.

Their ids are the same each time that the message of the finished step is worked on: a step that
is delivered again after its result was stored sends no strangers.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from celery.canvas import group, maybe_signature

from fw_core.broker.app import App
from fw_core.headers import CHECK
from fw_core.workflow.links import Sending, begin, is_part
from fw_core.workflow.running import send_all


@dataclass(frozen=True, slots=True)
class FollowUp:
    """One of what follows a success.

    Attributes:
        signature: Celery's signature of it.
        value: What the finished call returned.
        options: What it is sent with.
    """

    signature: Any
    value: Any
    options: dict[str, Any]

    @property
    def task_id(self) -> str | None:
        """The id under which it is sent, each time; None where there are several."""
        task_id: str | None = self.signature["options"].get("task_id")
        return task_id

    def send(self) -> Any:
        """Send it."""
        return self.signature.apply_async((self.value,), **self.options)


def follow_ups(app: App, request: Any, value: Any, *, check: bool) -> Iterator[FollowUp]:
    """The follow-ups of a success; callbacks first.

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
        yield FollowUp(signature, value, _options(signature, check, common))
    if request.chain and is_part(request.chain[-1]):
        yield _opened(app, request, value, check=check)
    elif request.chain:
        step = maybe_signature(request.chain[-1], app=app)
        rest = {**common, "chain": request.chain[:-1]}
        yield FollowUp(step, value, _options(step, check, rest))


@dataclass(frozen=True, slots=True)
class Opened(FollowUp):
    """A part of a workflow, opened with the result that it waited for.

    Attributes:
        app: The app.
        sendings: What is sent for it.
        parent_id: The finished call.
        check: Whether they may have been sent before.
    """

    app: App
    sendings: tuple[Sending, ...]
    parent_id: str
    check: bool

    @property
    def task_id(self) -> str | None:
        """None: there are several."""
        return None

    def send(self) -> None:
        """Send them."""
        send_all(self.app, self.sendings, check=self.check, parent_id=self.parent_id)


def _opened(app: App, request: Any, value: Any, *, check: bool) -> Opened:
    links = list(reversed(request.chain))
    landing, *after = links[1:]
    return Opened(
        signature=maybe_signature(dict(landing), app=app),
        value=value,
        options={"chain": list(reversed(after))},
        app=app,
        sendings=tuple(begin(links, value)),
        parent_id=request.id,
        check=check,
    )


def give_id(signature: Any, seed: str) -> None:
    """Give a signature that has no id the one that follows from ``seed``."""
    if isinstance(signature, group):
        tasks: Any = signature.tasks
        for number, task in enumerate(tasks):
            give_id(task, f"{seed}.{number}")
    else:
        signature["options"].setdefault("task_id", str(uuid.uuid5(uuid.NAMESPACE_OID, seed)))


def _options(signature: Any, check: bool, options: dict[str, Any]) -> dict[str, Any]:
    if not check:
        return options
    headers = {**(signature["options"].get("headers") or {}), CHECK: True}
    return {**options, "headers": headers}
