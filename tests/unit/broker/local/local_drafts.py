"""What the tests of this directory share: a clock that they move, and messages with a number."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fw_core.broker.local import Delivery, Draft, MessageView

START = 1_800_000_000.0


class Clock:
    """The time, as the test says."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


def draft(
    number: object = 0, /, *, headers: dict[str, Any] | None = None, **properties: Any
) -> Draft:
    return Draft(body=json.dumps(number).encode(), headers=headers or {}, properties=properties)


def numbers(messages: Iterable[Delivery | MessageView]) -> list[Any]:
    """What was put into the messages, in their order."""
    return [json.loads(message.body) for message in messages]
