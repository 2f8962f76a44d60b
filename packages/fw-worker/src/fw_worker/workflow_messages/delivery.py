"""What goes to the pool for a message that starts a workflow, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

from fw_core.broker.app import App
from fw_core.call.ids import new_id
from fw_core.headers import WORKFLOW
from fw_worker.raw import Raw
from fw_worker.strategy import delivered


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A message that starts a workflow, as this worker has it.

    Attributes:
        raw: The message. It names an id for its workflow, so that to try again is no second start.
        worker: The worker's name.
        delivered: How often the broker had delivered it before.
        deaths: How many processes of the pool have died of it here.
        is_old: Whether it was held so long that the broker is to have it back.
    """

    raw: Raw
    worker: str
    delivered: int = 0
    deaths: int = 0
    is_old: bool = False

    @classmethod
    def of_message(cls, app: App, message: Any, *, worker: str) -> Self:
        """What was delivered; a foreign client need not say that it is JSON."""
        raw = Raw.of_message(message)
        given = raw.properties.get("message_id") or raw.headers.get(WORKFLOW)
        return cls(
            raw=replace(
                raw,
                queue=app.topology.queue_name(app.settings.workflow_queue),
                content_type=raw.content_type or "application/json",
                content_encoding=raw.content_encoding or "utf-8",
                headers=raw.headers if given else {**raw.headers, WORKFLOW: new_id()},
            ),
            worker=worker,
            delivered=delivered(message),
        )

    @property
    def message_id(self) -> str:
        """What names the workflow if the message's body does not."""
        return str(self.raw.headers.get(WORKFLOW) or self.raw.properties.get("message_id"))


class Verdict(StrEnum):
    """What is to become of a message."""

    DONE = "done"
    """It is acknowledged: its workflow is started, or it is a dead letter, or a copy is queued."""
    NOT_NOW = "not-now"
    """It is tried again after a pause."""
    BACK = "back"
    """It goes back to its queue: this worker starts nothing any more."""
    THROWN_OUT = "thrown-out"
    """It is rejected: the broker makes a dead letter of it, which says less."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a delivery.

    Attributes:
        verdict: What is to become of the message.
        why: Of one that has to wait, in one line.
    """

    verdict: Verdict
    why: str = ""
