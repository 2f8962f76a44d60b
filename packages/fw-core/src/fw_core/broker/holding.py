"""Messages that are complete and wait for a word before they are published.

A call that is made for a transaction ends here instead of at the broker: its arguments, options
and size have been checked, its id is known, its delay has begun. Whoever holds it publishes it
later, or forgets it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fw_core.broker.app import App


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """A message that only needs to be published.

    Attributes:
        app: The app that publishes it.
        task: The name of its task.
        task_id: The id of its call.
        queue: The queue's name on the broker.
        due: When it may start at the earliest; None: now.
        exact: Whether its delay is kept to a tenth of a second.
        payload: Its body as Celery's signals show it.
        body: Its body, encoded.
        sent_event: Celery's event of it, where the app sends them.
    """

    app: App
    task: str
    task_id: str
    queue: str
    due: datetime | None
    exact: bool
    payload: Any
    body: Any
    content_type: str | None
    content_encoding: str | None
    headers: dict[str, Any]
    properties: dict[str, Any]
    sent_event: dict[str, Any] | None = None


class Holder(Protocol):
    """Keeps messages until it is known whether they are to be sent."""

    def hold(self, messages: Sequence[Outgoing]) -> None:
        """Keep messages that are sent together."""
        ...


@dataclass(eq=False, slots=True)
class _Block:
    """A block whose messages are held; code that was started inside may outlive it."""

    keeper: Holder | None
    around: _Block | None
    is_over: bool = False


_block: ContextVar[_Block | None] = ContextVar("fw_block", default=None)


def holder() -> Holder | None:
    """What keeps the messages that are sent here and now; None: they are published at once."""
    block = _block.get()
    while block is not None and block.is_over:
        block = block.around
    return None if block is None else block.keeper


@contextmanager
def held_by(keeper: Holder | None) -> Iterator[None]:
    """Give every message that is sent inside the block to ``keeper``; None: publish at once.

    An asyncio task or a thread that was started inside has a copy of the context: it counts as
    inside until the block ends.
    """
    block = _Block(keeper, _block.get())
    token = _block.set(block)
    try:
        yield
    finally:
        block.is_over = True
        _block.reset(token)


@contextmanager
def held_together() -> Iterator[None]:
    """Give what is sent inside the block to its holder at once, when the block ends."""
    keeper = holder()
    if keeper is None:
        yield
        return
    together = _Together()
    with held_by(together):
        yield
    keeper.hold(together.messages)


class _Together:
    def __init__(self) -> None:
        self.messages: list[Outgoing] = []

    def hold(self, messages: Sequence[Outgoing]) -> None:
        self.messages += messages


def publish_held(messages: Sequence[Outgoing]) -> None:
    """Publish messages that were held: one confirmed round for each app.

    Raises:
        NotSent, MaybeSent: not all of them were confirmed; says that a transaction was committed.
    """
    with held_by(None):
        for app in {id(message.app): message.app for message in messages}.values():
            own = [message for message in messages if message.app is app]
            app.amqp.send_all(own)


class NoProducer:
    """Stands where Celery wants a producer and nothing will be published."""

    class connection:  # noqa: N801 - kombu's name
        """No connection: what is done with it cannot fail."""

        @staticmethod
        def _reraise_as_library_errors() -> Any:
            return nullcontext()
