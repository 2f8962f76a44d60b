"""What was measured, as numbers and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_BAR = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What ``fw bench`` found.

    Attributes:
        broker: The broker, without its password.
        results: Where results are kept.
        processes: How many processes ran the tasks.
        calls: How many calls each backlog had.
        sent: Seconds that each call took which was sent by itself.
        sent_together: Calls a second that were sent together.
        executed: Tasks a second, without results.
        executed_kept: The same, with results.
        round_trips: Seconds from each call to its result.
        lost: Calls that were never run, of a backlog whose worker was killed.
        repeated: Runs of it beyond one for each call.
        back_after: Seconds from the kill until all had run, a new worker's start included.
    """

    broker: str
    results: str
    processes: int
    calls: int
    sent: Sequence[float]
    sent_together: float
    executed: float
    executed_kept: float
    round_trips: Sequence[float]
    lost: int
    repeated: int
    back_after: float

    def facts(self) -> dict[str, object]:
        """Everything, for ``--json``; times are in seconds."""
        return {
            "broker": self.broker,
            "results": self.results,
            "processes": self.processes,
            "calls": self.calls,
            "delay": {"per_second": rate(self.sent), **percentiles(self.sent)},
            "delay_many": {"per_second": self.sent_together},
            "execute": {"per_second": self.executed},
            "execute_with_results": {"per_second": self.executed_kept},
            "round_trip": {**percentiles(self.round_trips), "all": list(self.round_trips)},
            "worker_killed": {
                "lost": self.lost,
                "repeated": self.repeated,
                "back_after": self.back_after,
            },
        }

    def rows(self) -> list[tuple[str, str, str]]:
        """The table: what, how many a second, how long."""
        return [
            (".delay(), one after the other", f"{rate(self.sent):,.0f}", shown(self.sent)),
            (".delay_many()", f"{self.sent_together:,.0f}", ""),
            ("tasks run, no results", f"{self.executed:,.0f}", ""),
            ("tasks run, results kept", f"{self.executed_kept:,.0f}", ""),
            (".delay().get()", f"{rate(self.round_trips):,.0f}", shown(self.round_trips)),
        ]


def rate(seconds: Sequence[float]) -> float:
    """How many there were in a second.

    >>> rate([0.25, 0.25, 0.5])
    3.0
    """
    return len(seconds) / sum(seconds)


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """The time that half, 95 and 99 of a hundred did not exceed.

    >>> percentiles([number / 100 for number in range(1, 101)])
    {'p50': 0.5, 'p95': 0.95, 'p99': 0.99}
    """
    ordered = sorted(seconds)
    return {
        f"p{share}": ordered[max(-(-len(ordered) * share // 100), 1) - 1] for share in (50, 95, 99)
    }


def shown(seconds: Sequence[float]) -> str:
    """The percentiles, in milliseconds."""
    return ", ".join(f"{name} {1e3 * value:.1f} ms" for name, value in percentiles(seconds).items())


def plot(seconds: Sequence[float], lines: int = 10) -> list[str]:
    """How often each duration came, as bars of text; the longest one in a hundred is left out.

    >>> plot([0.001, 0.001, 0.002], lines=2)
    ['    1.0 to 1.5 ms  ████████████████████████████████████████ 2', \
'    1.5 to 2.0 ms  ████████████████████ 1']
    """
    low, high = min(seconds), percentiles(seconds)["p99"]
    step = (high - low) / lines or 1e-6
    counts = [0] * lines
    for each in seconds:
        if each <= high:
            counts[min(int((each - low) / step), lines - 1)] += 1
    most = max(counts)
    return [
        f"{1e3 * (low + number * step):7.1f} to {1e3 * (low + (number + 1) * step):.1f} ms  "
        f"{'█' * round(_BAR * count / most)} {count}"
        for number, count in enumerate(counts)
    ]
