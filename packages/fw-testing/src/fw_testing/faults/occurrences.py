"""Which calls a fault has happened to: known to every process that has a part in a test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Occurrences(Protocol):
    """Takes down what happened, so that a fault happens once, and provably."""

    def note(self, call: str) -> bool:
        """Take down that the fault happens to a call; whether this is the first time."""
        ...

    def __contains__(self, call: str) -> bool:
        """Whether it has happened to a call."""
        ...

    def __len__(self) -> int:
        """To how many calls it has happened."""
        ...


@dataclass(slots=True)
class InMemory:
    """Those of a test that runs in one process."""

    calls: set[str] = field(default_factory=set[str])

    def note(self, call: str) -> bool:
        """Take down that the fault happens to a call; whether this is the first time."""
        is_first = call not in self.calls
        self.calls.add(call)
        return is_first

    def __contains__(self, call: str) -> bool:
        return call in self.calls

    def __len__(self) -> int:
        return len(self.calls)


@dataclass(frozen=True, slots=True)
class InDirectory:
    """Those of a test with worker processes, which may die at once: a file for each call."""

    path: Path

    def note(self, call: str) -> bool:
        """Take down that the fault happens to a call; whether this is the first time."""
        try:
            self._file(call).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def __contains__(self, call: str) -> bool:
        return self._file(call).exists()

    def __len__(self) -> int:
        return sum(1 for _ in self.path.iterdir())

    def _file(self, call: str) -> Path:
        return self.path / hashlib.sha256(call.encode()).hexdigest()[:32]
