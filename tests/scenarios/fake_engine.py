"""The fake: one scenario at a time, in this process, in virtual time."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from scenario import Scenario, declare_tasks
from scenario_recorder import Row, playing, recording
from scenario_story import started_in_order, story

from fw_core import TASK_REGISTRY
from fw_testing.bench import bench
from fw_testing.worker import ProcessDied

from .recorded import Recorded, by_scenario, dead_letters, results_of


def play(scenario: Scenario) -> Recorded:
    """Play a scenario on the fake, until nothing is left to do."""
    rows: list[Row] = []
    with TASK_REGISTRY.scoped():
        declare_tasks()
        with bench(move_sleep=True) as world, recording(rows.append), processes_can_die():
            playing.append(scenario.name)
            try:
                steps = scenario.play()
                for condition in steps or ():
                    world.rest()
                    assert condition(), f"{scenario.name}: what it waits for does not come"
            finally:
                playing.pop()
            world.rest()
            own, owners = by_scenario(rows, [scenario.name])
            nobodys = {row["task"] for row in own.pop("", ())}
            assert not nobodys, f"calls that nobody sent: {nobodys}"
            results = results_of(world.app, rows, owners)
            told = story(rows, results, dead_letters(world.app))
            return Recorded(told, tuple(started_in_order(rows)))


def processes_can_die() -> AbstractContextManager[Any]:
    """Let a body that ends its process be no outcome: the pool reports it, as it does really."""

    def is_dying() -> bool:
        return isinstance(sys.exception(), ProcessDied)

    return mock.patch("fw_worker.attempts.terminate_handler_fired", is_dying)
