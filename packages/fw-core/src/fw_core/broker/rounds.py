"""What a confirmed round of many messages is, whatever carries it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from fw_core.broker.publish import Letter, Unconfirmed


class Round(Protocol):
    """Takes messages, and knows which of them are queued."""

    def publish(self, letter: Letter) -> None:
        """Publish a message of the round."""
        ...


@dataclass(slots=True)
class LocalRound:
    """A round on one machine, where a message is stored when it has been published.

    Attributes:
        confirmed: The ids of calls that are stored.
        in_doubt: The ids of calls that may be.
    """

    post: Callable[[Letter], None]
    confirmed: set[str] = field(default_factory=set)
    in_doubt: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        return self

    def publish(self, letter: Letter) -> None:
        """Store a message.

        Raises:
            Unconfirmed: it could not be stored.
        """
        task_id = str(letter.headers.get("id"))
        try:
            self.post(letter)
        except Unconfirmed as error:
            if error.maybe:
                self.in_doubt.add(task_id)
            raise
        self.confirmed.add(task_id)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return
