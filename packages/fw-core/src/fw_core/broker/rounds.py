"""What a confirmed round of many messages is, whatever carries it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from fw_core.broker.publish import Letter, Unconfirmed

Progress = Callable[[int], None]
"""Told how many messages of a round are confirmed."""


class Round(Protocol):
    """Takes messages, and knows which of them are queued."""

    @property
    def confirmed(self) -> list[Letter]:
        """The messages that are queued."""
        ...

    @property
    def in_doubt(self) -> list[Letter]:
        """The messages that may be queued."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def publish(self, letter: Letter) -> None:
        """Publish a message of the round."""
        ...


@dataclass(slots=True)
class LocalRound:
    """A round on one machine, where a message is stored when it has been published.

    Attributes:
        confirmed: The messages that are stored.
        in_doubt: The messages that may be.
    """

    post: Callable[[Letter], None]
    progress: Progress | None = None
    confirmed: list[Letter] = field(default_factory=list)
    in_doubt: list[Letter] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def publish(self, letter: Letter) -> None:
        """Store a message.

        Raises:
            Unconfirmed: it could not be stored.
        """
        try:
            self.post(letter)
        except Unconfirmed as error:
            (self.in_doubt if error.maybe else error.refused).append(letter)
            error.confirmed, error.in_doubt = list(self.confirmed), list(self.in_doubt)
            raise
        self.confirmed.append(letter)
        if self.progress is not None:
            self.progress(len(self.confirmed))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return
