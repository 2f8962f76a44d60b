"""Whether a dead letter can be sent again, and the message that it is then."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fw_core.broker.amqp import BROKER_DEATH_HEADERS
from fw_core.headers import DEAD, LATERS, REPLAYED, TRIES, WORKFLOW
from fw_core.results.rows import SUCCESS, ResultRow, decode
from fw_worker.dead_letters.letter import DeadLetter, State

_LEFT_BEHIND = BROKER_DEATH_HEADERS | {DEAD, TRIES, LATERS}
_KEPT_PROPERTIES = (
    "correlation_id", "reply_to", "priority", "timestamp", "type", "app_id",
)  # fmt: skip
_NAMESPACE = uuid.UUID("7d3c1f0a-7d6e-5a51-9a54-6a6b6a1f9d10")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sending:
    """A letter that is to be sent again.

    Attributes:
        letter: It.
        queue: Where to: the team's queue.
        notes: What is different from the first time, in whole sentences.
        is_start: Whether it starts a workflow, and is no call.
    """

    letter: DeadLetter
    queue: str
    notes: tuple[str, ...] = ()
    is_start: bool = False

    @property
    def message_id(self) -> str:
        """The id of the new message: the same however often this replay is begun."""
        return str(uuid.uuid5(_NAMESPACE, self.letter.dead_id))


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A letter that is not sent again.

    Attributes:
        letter: It.
        why: In one sentence.
        is_done: Whether there is nothing left to do: a replay that was broken off had sent it.
    """

    letter: DeadLetter
    why: str
    is_done: bool = False


def decide(
    letters: Sequence[DeadLetter],
    *,
    results: Mapping[str, ResultRow],
    newest: Mapping[str, str],
    has_queue: Callable[[str], bool],
    to: str | None = None,
    starts: str = "",
) -> list[Sending | Refused]:
    """Decide for each letter whether it is sent again.

    Args:
        letters: The letters.
        results: What is stored of their calls, by the call's id.
        newest: For each call, which of its letters died last.
        has_queue: Whether a queue of the team is there.
        to: A queue to send them to, instead of the one that each was in.
        starts: The queue whose messages start workflows, and are no calls.
    """
    return [
        _decide_start(letter, has_queue, to or starts)
        if starts and letter.queue == starts
        else _decide(letter, results.get(letter.task_id or ""), newest, has_queue, to)
        for letter in letters
    ]


def _decide_start(
    letter: DeadLetter, has_queue: Callable[[str], bool], queue: str
) -> Sending | Refused:
    """A workflow is started once under its id, so there is nothing to look up."""
    if letter.state not in {State.DEAD, State.REPLAYING}:
        return Refused(letter=letter, why=f"it was {letter.state} already.")
    if not has_queue(queue):
        return Refused(letter=letter, why=_no_queue(queue))
    notes = tuple(_notes(letter, queue))
    return Sending(letter=letter, queue=queue, notes=notes, is_start=True)


def _decide(
    letter: DeadLetter,
    result: ResultRow | None,
    newest: Mapping[str, str],
    has_queue: Callable[[str], bool],
    to: str | None,
) -> Sending | Refused:
    queue = to or letter.queue or ""
    if letter.state not in {State.DEAD, State.REPLAYING}:
        return Refused(letter=letter, why=f"it was {letter.state} already.")
    if letter.arguments is None or letter.task_id is None:
        return Refused(letter=letter, why="it is no call of a task: no worker could run it.")
    if result is not None and result.state == SUCCESS:
        is_done = letter.state == State.REPLAYING
        why = "it has succeeded meanwhile." if is_done else "its kept result is a success."
        return Refused(letter=letter, why=why, is_done=is_done)
    if newest.get(letter.task_id, letter.dead_id) != letter.dead_id:
        return Refused(letter=letter, why="a newer dead letter of the same call is to be replayed.")
    if not has_queue(queue):
        return Refused(letter=letter, why=_no_queue(queue))
    return Sending(letter=letter, queue=queue, notes=tuple(_notes(letter, queue)))


def _no_queue(queue: str) -> str:
    return f"there is no queue {queue!r}: start a worker that takes it, or say --to QUEUE."


def _notes(letter: DeadLetter, queue: str) -> list[str]:
    notes: list[str] = []
    if _expires(letter):
        notes.append("Its 'expires' is left out: it is over.")
    if queue != letter.queue:
        notes.append(f"It was in {letter.queue!r}.")
    if letter.state == State.REPLAYING:
        notes.append("A replay that was broken off may have sent it; the id is the same.")
    return notes


def _expires(letter: DeadLetter) -> Any:
    return decode(letter.headers).get("expires")


def message_of(sending: Sending) -> dict[str, Any]:
    """The message to send: the same call with the same follow-ups, as if it had never run."""
    letter = sending.letter
    fresh = {} if sending.is_start else {"retries": 0, "eta": None, "expires": None}
    headers = {k: v for k, v in decode(letter.headers).items() if k not in _LEFT_BEHIND}
    given = decode(letter.properties)
    properties = {name: given[name] for name in _KEPT_PROPERTIES if given.get(name) is not None}
    if sending.is_start and (named := headers.get(WORKFLOW) or given.get("message_id")):
        headers[WORKFLOW] = named  # the message gets another id, its workflow does not
    return {
        "body": _fresh_body(letter.body, fresh) if fresh else letter.body,
        "content_type": letter.content_type,
        "content_encoding": letter.content_encoding,
        "headers": {**headers, **fresh, REPLAYED: True},
        "properties": {**properties, "message_id": sending.message_id},
    }


def _fresh_body(body: bytes, fresh: Mapping[str, Any]) -> bytes:
    """Celery's first protocol keeps in the body what the second keeps in headers."""
    if not body.lstrip().startswith(b"{"):
        return body
    return json.dumps({**json.loads(body), **fresh}).encode()
