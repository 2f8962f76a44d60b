"""Signs of life: a few numbers in a file without a name, which a collector and its worker share."""

from __future__ import annotations

import os
import struct
import tempfile
import time
from dataclasses import astuple, dataclass, replace
from typing import Self

_FORMAT = struct.Struct("<QQdQ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sign:
    """What a collector last said.

    Attributes:
        beats: How often it said something.
        turns: How often it went round and was able to look for messages.
        kept: When it last kept something, in seconds since 1970; 0: not yet.
        unsettled: How many messages it holds that could not be kept yet.
    """

    beats: int = 0
    turns: int = 0
    kept: float = 0.0
    unsettled: int = 0


class Signs:
    """Where a collector says that it goes on.

    Args:
        descriptor: The shared file; None: nobody hears it.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = descriptor
        self._last = Sign()

    @classmethod
    def to_share(cls) -> Self:
        """Make a file that a process can be given; to be closed."""
        with tempfile.TemporaryFile() as file:
            return cls(os.dup(file.fileno()))

    def beat(self) -> None:
        """It goes on, whether or not it gets anywhere."""
        self._write(self._last)

    def turn(self, *, kept: bool, unsettled: int) -> None:
        """It has looked for messages, and perhaps kept some."""
        last = self._last
        at = time.time() if kept else last.kept
        self._write(replace(last, turns=last.turns + 1, kept=at, unsettled=unsettled))

    def read(self) -> Sign:
        """What was said last."""
        if self.descriptor is None:
            return self._last
        found = os.pread(self.descriptor, _FORMAT.size, 0)
        if len(found) < _FORMAT.size:
            return Sign()
        beats, turns, kept, unsettled = _FORMAT.unpack(found)
        return Sign(beats=beats, turns=turns, kept=kept, unsettled=unsettled)

    def close(self) -> None:
        """Forget what was said."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def _write(self, sign: Sign) -> None:
        self._last = replace(sign, beats=sign.beats + 1)
        if self.descriptor is not None:
            os.pwrite(self.descriptor, _FORMAT.pack(*astuple(self._last)), 0)
