"""Asked before fw goes to a broker or a database, so that a run of tests can refuse the way.

In production nobody stands at the gate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Gate = Callable[[str, bool], None]
"""Gets the URL, and whether it is that of the process's own settings, which nobody chose here."""

_gates: list[Gate] = []


def going_to(url: str, *, by_default: bool = False) -> None:
    """Ask the innermost gate; what it raises goes to whoever wanted to go out.

    Args:
        url: The broker or the database.
        by_default: The app was made from the settings because a call needed one.
    """
    if _gates:
        _gates[-1](url, by_default)


@contextmanager
def gated(gate: Gate) -> Iterator[None]:
    """Let ``gate`` be asked, in every thread, until the block ends."""
    _gates.append(gate)
    try:
        yield
    finally:
        _gates.remove(gate)
