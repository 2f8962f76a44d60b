"""What is counted when everything has come to rest, and the table that is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise


@dataclass(frozen=True, kw_only=True)
class Counts:
    """One fault, counted.

    Attributes:
        fault: What was done.
        sent: Calls that the broker had confirmed to the sender.
        done: Of these, those whose work is done.
        lost: Of these, those that are neither done nor kept, as a dead letter or in a queue.
        waiting: Messages that are still in a queue although it was time enough to run them.
        repeated: Runs beyond the planned ones.
        bound: How many repeats this fault may cause.
        dead: Dead letters.
        open_results: Calls that are done and whose kept result does not say SUCCESS.
        recovery: Seconds from the end of the fault until work is done again, where there is one.
    """

    fault: str
    sent: int
    done: int
    lost: int
    waiting: int
    repeated: int
    bound: int
    dead: int
    open_results: int
    recovery: float | None

    @property
    def holds(self) -> bool:
        """Whether all that is promised held."""
        return (
            self.sent > 0
            and self.lost == 0
            and self.dead == 0
            and self.open_results == 0
            and self.repeated <= self.bound
            and self.waiting == 0
        )


def recovery(done: Sequence[datetime], begin: datetime, end: datetime) -> float:
    """Seconds from the end of a fault until work is done again: until its longest pause is over.

    What a worker had in hand may still be done after a fault has begun, so the first call that is
    done is no sign. The last twentieth is left out: then there is little left to do.

    >>> second = lambda n: datetime(2026, 1, 1) + timedelta(seconds=n)
    >>> recovery([second(n) for n in (1, 2, 3, 30, 31)], second(2), second(12))
    18.0

    Args:
        done: When each call was done, in order.
        begin: When the fault began.
        end: When it ended.
    """
    counted = done[: max(2, len(done) - len(done) // 20)]
    pauses = [(after - before, after) for before, after in pairwise(counted) if after > begin]
    _, over = max(pauses, default=(timedelta(0), end))
    return max(0.0, (over - end).total_seconds())


HEAD = (
    "| fault | sent | done | lost | repeated | at most | dead letters | open results | back after |"
    "\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def row(counts: Counts) -> str:
    """A line of the table."""
    back = "" if counts.recovery is None else f"{counts.recovery:.1f} s"
    back = "never" if counts.waiting else back
    lost = f"{counts.lost} ({counts.waiting} still wait)" if counts.waiting else counts.lost
    cells = (
        *(counts.fault, counts.sent, counts.done, lost, counts.repeated, counts.bound),
        *(counts.dead, counts.open_results, back),
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def table(rows: list[Counts]) -> str:
    """The table, a line for each fault."""
    return "\n".join([HEAD, *map(row, rows)])


def with_block(page: str, key: str, block: str) -> str:
    """The page with the text between the markers of ``key`` replaced.

    >>> with_block("a\\n<!-- faults: x -->\\nold\\n<!-- end: x -->\\nb", "x", "new")
    'a\\n<!-- faults: x -->\\n\\nnew\\n\\n<!-- end: x -->\\nb'
    """
    start, end = f"<!-- faults: {key} -->", f"<!-- end: {key} -->"
    before, found, rest = page.partition(start)
    _, found_end, after = rest.partition(end)
    assert found, f"the page has no marker {start}"
    assert found_end, f"the page has no marker {end}"
    return f"{before}{start}\n\n{block}\n\n{end}{after}"
