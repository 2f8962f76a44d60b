"""The stage of one fault: load, the fault's own end, and the count when all has come to rest."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from fw_core.settings import Settings

from .brokers import number_of
from .counts import Counts, recovery, row
from .fleet import Fleet, Producer
from .journal import Journal
from .servers import wait_until

LOAD_SECONDS = 15.0
SLOTS = 4
"""Attempts at a time in two workers."""

REST_SECONDS = 90.0
"""How long after its fault a system may take until nothing is left to do."""

QUIET_SECONDS = 8.0
"""So long nothing may have moved, with all queues empty, before a missing call is called lost."""


class Messages(Protocol):
    """The messages of one broker, whichever it is."""

    def left(self) -> dict[str, int]:
        """How many messages each queue still has to deliver or to get acknowledged."""

    def dead(self) -> list[int]:
        """The numbers of the calls that are dead letters."""


@dataclass
class Scene:
    """One fault, from the first call that is sent to the last number that is counted."""

    calls: int
    seed: int
    settings: Settings
    directory: Path
    env: dict[str, str]
    journal: Journal
    messages: Messages
    report: Callable[[Counts], None]
    fleet: Fleet = field(init=False)
    producer: Producer = field(init=False)
    lasted: tuple[datetime, datetime] | None = None

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.fleet = Fleet(self.settings, self.directory, self.env, self.chance)
        self.expect(self.calls)

    def expect(self, calls: int) -> None:
        """Say how many calls there will be, before a worker is started.

        Whatever their number, they are work for a while: a fault needs something to meet.
        """
        self.calls = calls
        seconds = min(0.15, max(0.005, LOAD_SECONDS * SLOTS / calls))
        self.env["FAULTS_WORK_SECONDS"] = f"{seconds:.4f}"

    def send(self, mode: str = "each", *, first: int = 0, count: int | None = None) -> None:
        """Start the producer."""
        self.producer = Producer(
            mode,
            seed=self.seed,
            first=first,
            count=count or self.calls,
            settings=self.settings,
            directory=self.directory,
            env=self.env,
        )

    def load(self, workers: int = 2) -> None:
        """Start workers and a producer, and return when a part of the work is done."""
        self.send()
        self.fleet.start(workers)
        self.wait_for_done(0.1)

    def wait_for_done(self, share: float) -> None:
        """Wait until this share of all calls is done."""
        wanted = self.calls * share
        wait_until(lambda: len(self.journal.done()) >= wanted, f"{wanted:g} calls are done")

    def wait_for_runs(self, more: int) -> None:
        """Wait until there were so many more runs than now, or all is done."""
        wanted = self.journal.count() + more

        def enough() -> bool:
            return self.journal.count() >= wanted or (
                self.producer.has_ended and self.producer.confirmed().keys() <= self.journal.done()
            )

        wait_until(enough, f"there are {wanted} runs")

    def wait_for_quiet(self, seconds: float) -> None:
        """Wait until no run was added for so long."""
        seen = (self.journal.count(), time.monotonic())

        def is_quiet() -> bool:
            nonlocal seen
            count = self.journal.count()
            if count != seen[0]:
                seen = (count, time.monotonic())
            return time.monotonic() - seen[1] >= seconds

        wait_until(is_quiet, f"nothing ran for {seconds:g} s")

    @contextmanager
    def fault(self) -> Iterator[None]:
        """The block is the fault; meanwhile the second half of the calls is sent."""
        self.producer.send_the_rest()
        began = datetime.now(UTC)
        yield
        self.lasted = (began, datetime.now(UTC))

    def last(self, seconds: float) -> None:
        """Let a fault last."""
        threading.Event().wait(seconds)

    def finish(self, fault: str, *, repeated_at_most: int) -> None:
        """Send what is left, wait until all is at rest, count, and say whether it held."""
        if self.producer.process.returncode is None:
            self.producer.send_the_rest()
            wait_until(self._all_sent, "the producer has sent all")
        waiting, note = self._rest()
        counts = self._count(fault, repeated_at_most, waiting=waiting)
        self.report(counts)
        print(row(counts))
        assert counts.holds, f"{counts}\n{note}\n{self._evidence()}"

    def _all_sent(self) -> bool:
        self.fleet.restart_ended()
        return self.producer.has_ended

    def _rest(self) -> tuple[int, str]:
        """Wait until nothing is left to do, or nothing moves any more, or for too long."""
        confirmed = self.producer.confirmed()
        end = time.monotonic() + REST_SECONDS + self.calls / 50
        before: Any = None
        moved = time.monotonic()
        while True:
            self.fleet.restart_ended()
            left = {name: count for name, count in self.messages.left().items() if count}
            missing = confirmed.keys() - self.journal.done() - set(self._dead())
            opened = self._open_results()
            if not left and not missing and not opened:
                return 0, "at rest"
            now = (left, len(missing), len(opened), self.journal.count())
            if now != before:
                before, moved = now, time.monotonic()
            elif not left and time.monotonic() - moved > QUIET_SECONDS:
                return 0, f"nothing moves any more: missing {sorted(missing)}, open {opened}"
            if time.monotonic() > end:
                return sum(
                    left.values()
                ), f"not at rest: left {left}, missing {sorted(missing)}, open {opened}"
            time.sleep(0.2)

    def _count(self, fault: str, bound: int, *, waiting: int) -> Counts:
        confirmed = self.producer.confirmed()
        done = self.journal.done()
        dead = self._dead()
        repeats = self.journal.repeats()
        # A call that was sent again after MaybeSent may be in the queue twice: the sender's repeat.
        sender = sum(times - 1 for times, _ in confirmed.values())
        return Counts(
            fault=fault,
            sent=len(confirmed),
            done=len(confirmed.keys() & done),
            lost=max(0, len(confirmed.keys() - done - set(dead)) - waiting),
            repeated=sum(repeats.values()),
            bound=bound + sender,
            dead=len(dead),
            open_results=len(self._open_results()),
            recovery=None
            if self.lasted is None
            else recovery(self.journal.first_done(), *self.lasted),
            waiting=waiting,
        )

    def _open_results(self) -> dict[int, str]:
        """The confirmed calls whose kept result does not say SUCCESS."""
        found = self._ask("SELECT task_id, state FROM fw_results")
        states = {one.task_id: one.state for one in found}
        return {
            number: states.get(id_, "none")
            for number, (_, id_) in self.producer.confirmed().items()
            if states.get(id_) != "SUCCESS"
        }

    def _dead(self) -> list[int]:
        """The numbers of the calls that are dead letters, collected or not yet."""
        collected = self._ask("SELECT body FROM fw_dead_letters")
        return [*self.messages.dead(), *(number_of(bytes(one.body)) for one in collected)]

    def _ask(self, sql: str) -> Sequence[Any]:
        """Ask fw's own database."""
        engine = create_engine(self._results_url(), poolclass=NullPool)
        with engine.connect() as connection:
            return connection.execute(text(sql)).all()

    def _results_url(self) -> str:
        return self.settings.database_url or f"sqlite:///{self.directory}/.fw/results.db"

    def _evidence(self) -> str:
        confirmed = self.producer.confirmed()
        missing = sorted(confirmed.keys() - self.journal.done())[:5]
        repeats = sorted(self.journal.repeats().items(), key=lambda pair: -pair[1])[:8]
        odd = [number for number, _ in repeats] + missing + list(self._open_results())[:5]
        rows = [
            f"{number} {confirmed.get(number)}: {self.journal.rows_of(number)}" for number in odd
        ]
        return "\n".join(
            [
                f"not done: {missing}",
                f"repeated: {repeats}",
                *rows,
                f"--- log of the producer ---\n{self.producer.log}",
                self.fleet.logs(),
            ]
        )

    def close(self) -> None:
        """End every process."""
        if hasattr(self, "producer"):
            self.producer.kill()
        self.fleet.close()
