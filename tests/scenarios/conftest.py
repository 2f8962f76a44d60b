"""The engines of the scenarios: a real one plays all scenarios at once, once in a run."""

from __future__ import annotations

import fcntl
import json
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from scenario import Scenario, declare_tasks

from fw_core import TASK_REGISTRY
from fw_core.broker.app import App, create_app
from fw_core.settings import Settings, read_settings
from fw_testing import services

from .real_engine import Stage
from .recorded import Recorded

collect_ignore = ["modules"]  # the scenarios' tasks are known to their own tests only

Engine = Callable[[Scenario | None], Recorded]
"""Gives what was recorded of a scenario; of None what belongs to no scenario."""

Play = Callable[[Path, list[Scenario]], dict[str, Recorded]]


@pytest.fixture(scope="session")
def local_engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Engine:
    """What the scenarios produced on the local transport and SQLite, with a real worker."""

    def play(directory: Path, scenarios: list[Scenario]) -> dict[str, Recorded]:
        settings = read_settings(
            broker_url="", database_url="", directory=directory / ".fw", task_modules=()
        )
        with _app(settings) as app:
            return Stage(app, settings, directory).play(scenarios)

    return _engine("local", play, request, tmp_path_factory)


@pytest.fixture(scope="session")
def servers_engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Engine:
    """What the scenarios produced on RabbitMQ and PostgreSQL, with a real worker."""
    shared = services._shared(request.config)  # skips, or fails, where there are none

    def play(directory: Path, scenarios: list[Scenario]) -> dict[str, Recorded]:
        with ExitStack() as stack:
            stack.enter_context(TASK_REGISTRY.scoped())
            declare_tasks()  # before the app: its queues are theirs
            given = services._services(stack, shared)
            played = Stage(given.app, given.settings, directory).play(scenarios)
            with given.app.connection_for_read() as connection:
                version = connection.connect().server_properties["version"]
            no_priorities = int(version.partition(".")[0]) < 4
            return {
                name: Recorded(one.events, one.started, no_priorities)
                for name, one in played.items()
            }

    return _engine("servers", play, request, tmp_path_factory)


@contextmanager
def _app(settings: Settings) -> Iterator[App]:
    with TASK_REGISTRY.scoped():
        declare_tasks()
        app = create_app(settings, TASK_REGISTRY)
        try:
            yield app
        finally:
            app.close()
            app.amqp.close_connections()


def _engine(
    name: str, play: Play, request: pytest.FixtureRequest, temporary: pytest.TempPathFactory
) -> Engine:
    """Play once in a run of the tests, in however many processes they run."""
    params = (
        item.callspec.params["scenario"]
        for item in request.session.items
        if request.fixturename in getattr(item, "fixturenames", ()) and hasattr(item, "callspec")
    )
    wanted = {scenario.name: scenario for scenario in params}
    shared = temporary.getbasetemp()
    if hasattr(request.config, "workerinput"):
        shared = shared.parent  # that of all processes of xdist
    directory = shared / f"scenarios-{name}"
    directory.mkdir(exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = directory / "recorded.json"
        if not told.exists():
            told.write_text(json.dumps(_played(play, directory, list(wanted.values()))))
    played = {name: Recorded(**one) for name, one in json.loads(told.read_text()).items()}

    def recorded(scenario: Scenario | None) -> Recorded:
        print(f"The logs of the workers are in {directory}")
        if "broken" in played:
            pytest.fail(played["broken"].events, pytrace=False)
        return played[scenario.name if scenario else ""]

    return recorded


def _played(play: Play, directory: Path, scenarios: list[Scenario]) -> dict[str, dict[str, Any]]:
    try:
        played = play(directory, scenarios)
    except Exception:  # to be told to the other processes too
        return {"broken": asdict(Recorded(traceback.format_exc(), ()))}
    return {name: asdict(one) for name, one in played.items()}
