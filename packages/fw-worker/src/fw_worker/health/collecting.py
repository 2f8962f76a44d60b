"""Whether the collector beside a worker goes on while dead letters wait for it."""

from __future__ import annotations

from typing import Protocol

from fw_worker.health.report import CollectorReport

IDLE_LOOKS = 10
"""Looks (one a second) without a turn of the collector before it counts as standing still."""


class Collector(Protocol):
    """What a worker knows of its collector's process."""

    @property
    def is_alive(self) -> bool:
        """Whether there is a process that runs."""
        ...

    @property
    def unsettled(self) -> int:
        """How many messages it holds that could not be kept yet."""
        ...

    kept: float | None
    idle_looks: int


class Collecting:
    """What speaks against a collector: counted in ticks, so that a machine that slept is no alarm.

    Args:
        tick_seconds: How long a tick is.
    """

    def __init__(self, *, tick_seconds: float) -> None:
        self._tick_seconds = tick_seconds
        self._ticks = 0

    def tick(self, collector: Collector | None, *, waiting: int | None) -> None:
        """Look at it.

        Args:
            collector: The collector; None where the worker is to have none.
            waiting: Dead letters that are ready in their queue; None: not known.
        """
        stands = collector is not None and collector.idle_looks >= IDLE_LOOKS
        self._ticks = self._ticks + 1 if stands and waiting else 0

    def report(self, collector: Collector | None) -> CollectorReport | None:
        """What is said of it."""
        if collector is None:
            return None
        return CollectorReport(
            is_alive=collector.is_alive,
            kept=collector.kept,
            unsettled=collector.unsettled,
            stuck=self._ticks * self._tick_seconds,
        )
