"""A real worker process: all scenarios at once, played by one worker, told from its journal."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scenario import Condition, Scenario, declare_tasks, modules
from scenario_recorder import JOURNAL, append_to, playing, recording
from scenario_story import difference, started_in_order, story

from fw_core import TASK_REGISTRY, client
from fw_core.broker.app import App
from fw_core.results.rows import ResultRow
from fw_core.settings import Settings
from fw_testing.live_worker import LiveWorker, start_worker

from .recorded import Recorded, by_scenario, dead_letters, letters_by_scenario, results_of

SLOTS = 4
"""Attempts at a time."""

STUCK_SECONDS = 10.0
"""So long nothing may happen before what is missing is called missing."""

QUIET_SECONDS = 3.0
"""So long nothing may happen, when all is there, before nothing more is expected: longer than
any wait of a scenario."""

ONE_BY_ONE = "one-by-one"
"""The queue of a worker of its own: of the scenarios that are about order, or about being late."""


@dataclass
class Stage:
    """One engine on which scenarios are played.

    Args:
        app: The app through which they send.
        settings: The workers' settings.
        directory: Of the worker, its journal and its log.
    """

    app: App
    settings: Settings
    directory: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.journal = self.directory / "journal"
        self.journal.touch()

    def play(self, wanted: Iterable[Scenario]) -> dict[str, Recorded]:
        """Play scenarios and return what each has produced."""
        scenarios = {scenario.name: scenario for scenario in wanted}
        with ExitStack() as stack:
            stack.enter_context(TASK_REGISTRY.scoped())
            declare_tasks()
            stack.enter_context(client.using(self.app))
            stack.enter_context(recording(append_to(str(self.journal))))
            plays = _Plays()
            plays.begin(each for each in scenarios.values() if each.before_the_workers)
            workers = [
                self._start(stack, "worker", concurrency=SLOTS),
                self._start(stack, "one-by-one", queue=ONE_BY_ONE),
            ]
            for worker in workers:
                worker.wait_until_ready()
            plays.begin(each for each in scenarios.values() if not each.before_the_workers)
            return self._rest(scenarios, plays)

    def _start(
        self, stack: ExitStack, name: str, *, concurrency: int = 1, queue: str = ""
    ) -> LiveWorker:
        # Not those of tasks that other tests have declared in this process.
        own = {
            handle.spec.queue
            for handle in TASK_REGISTRY.values()
            if handle.spec.function.__module__.startswith("scenario")
        }
        known = {self.settings.prefix + each for each in (*own, "default")}
        others = [each for each in self.app.amqp.queues if each in known]
        others = [each for each in others if not each.endswith(ONE_BY_ONE)]
        prefix = self.settings.prefix
        worker = start_worker(
            self.settings,
            modules=["scenario_recorder", *modules()],
            queues=[queue] if queue else [each.removeprefix(prefix) for each in others],
            concurrency=concurrency,
            pool="prefork",
            env={**self.env, JOURNAL: str(self.journal)},
            directory=self.directory,
            log_path=self.directory / f"{name}.log",
        )
        stack.callback(worker.stop)
        return worker

    def _rest(self, scenarios: dict[str, Scenario], plays: _Plays) -> dict[str, Recorded]:
        """Wait until all that is written has happened, and nothing else does; or nothing does."""
        before: dict[str, Recorded] = {}
        changed = time.monotonic()
        while True:
            plays.go_on()
            now = self._look(scenarios, plays)
            if now != before:
                before, changed = now, time.monotonic()
            is_there = not plays.waiting and not any(
                difference(scenario.events, now[name].events)
                for name, scenario in scenarios.items()
            )
            if time.monotonic() - changed > (QUIET_SECONDS if is_there else STUCK_SECONDS):
                return now
            time.sleep(0.1)

    def _look(self, scenarios: dict[str, Scenario], plays: _Plays) -> dict[str, Recorded]:
        complete, _, _ = self.journal.read_text().rpartition("\n")
        rows = [json.loads(line) for line in complete.splitlines()]
        own, owners = by_scenario(rows, scenarios)
        letters = letters_by_scenario(dead_letters(self.app), owners)
        results: dict[str, dict[str, ResultRow]] = {}
        for id_, result in results_of(self.app, rows, owners).items():
            results.setdefault(owners.get(id_, ""), {})[id_] = result
        recorded: dict[str, Recorded] = {}
        for name in [*scenarios, ""]:  # nobody's: must stay empty
            mine = own.get(name, [])
            told = story(
                mine,
                results.get(name, {}),
                letters.get(name, []),
                prefix=self.app.topology.prefix,
            )
            started = tuple(started_in_order(mine))
            recorded[name] = Recorded(told + plays.broken.get(name, ""), started)
        return recorded


class _Plays:
    """The plays that wait for something."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str, Iterator[Condition], Condition]] = []
        self.broken: dict[str, str] = {}

    def begin(self, scenarios: Iterable[Scenario]) -> None:
        for scenario in scenarios:
            with self._playing(scenario.name):
                self._next(scenario.name, iter(scenario.play() or ()))

    def go_on(self) -> None:
        waiting, self.waiting = self.waiting, []
        for name, steps, condition in waiting:
            with self._playing(name):
                if condition():
                    self._next(name, steps)
                else:
                    self.waiting.append((name, steps, condition))

    def _next(self, name: str, steps: Iterator[Condition]) -> None:
        condition = next(steps, None)
        if condition is not None:
            self.waiting.append((name, steps, condition))

    @contextmanager
    def _playing(self, name: str) -> Iterator[None]:
        """What is sent belongs to this scenario; what breaks is its alone."""
        playing.append(name)
        try:
            yield
        except Exception:
            self.broken[name] = f"\nthe program broke: {traceback.format_exc()}"
        finally:
            playing.pop()
