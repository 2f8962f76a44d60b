"""What is sent: a kind for each number, the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

Kind = Literal["plain", "fails", "delayed", "workflow"]


@dataclass(frozen=True)
class Planned:
    """One call.

    Attributes:
        number: Identifies it in every table and file of the suite.
        kind: 70 % plain; 15 % fail on their first attempt; 10 % are delayed; 5 % are a workflow
            of a step, two side by side, and one that joins them.
        delay: Seconds before a delayed one may start.
    """

    number: int
    kind: Kind
    delay: int = 0


def plan(seed: int, number: int) -> Planned:
    """The call of this number.

    >>> plan(1, 7) == plan(1, 7)
    True
    """
    chance = random.Random(f"{seed}:{number}")
    share = chance.random()
    if share < 0.70:
        return Planned(number, "plain")
    if share < 0.85:
        return Planned(number, "fails")
    if share < 0.95:
        return Planned(number, "delayed", delay=chance.randint(1, 3))
    return Planned(number, "workflow")
