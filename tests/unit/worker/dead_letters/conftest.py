"""A broker in memory with dead letters in it, and the app that collects them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fw_core.attempt.failure import TaskError
from fw_core.attempt.outcome import Cause
from fw_core.broker import local
from fw_core.broker.app import App
from fw_core.database.engine import close_connections
from fw_core.headers import DEAD
from fw_core.settings import read_settings
from fw_testing.clock import VirtualClock
from fw_worker.dead_letters import table
from fw_worker.dead_letters.alone import collector_app
from fw_worker.dead_letters.collector import collect_once
from fw_worker.dead_letters.death import Death, Try
from fw_worker.dead_letters.letter import DeadLetter, State
from fw_worker.dead_letters.table import Filter

_names = itertools.count(1)

EVERYTHING = Filter(states=tuple(State))


class World:
    """A broker, its dead letters, and what was collected of them."""

    def __init__(self, app: App, clock: VirtualClock, store: local.Store) -> None:
        self.app = app
        self.clock = clock
        self.store = store
        self.connection = app.connection_for_read()
        self.channel = self.connection.default_channel
        app.topology.declare_base(self.channel)
        for queue in ("mail", "default"):
            app.topology.declare_queue(self.channel, queue)

    def death(self, **given: Any) -> Death:
        facts = {
            "cause": Cause.RETRIES_SPENT,
            "reason": "the last of 2 attempts failed",
            "error": TaskError("ValueError", "no such order", "Traceback …"),
            "at": self.clock.now(),
            "attempts": 2,
            "queue": "mail",
            "worker": "fw-1@host",
            "tries": (Try(number=1, at=self.clock.now(), error="ValueError: no"),),
            "is_settled": True,
        }
        return Death(**{**facts, **given})

    def send(
        self,
        body: Any = None,
        *,
        to: str = "",
        key: str = "mail",
        task: str | None = "orders.bill",
        call: str | None = "call-1",
        message: str | None = "message-1",
        death: Death | None = None,
        headers: dict[str, Any] | None = None,
        content_type: str = "application/json",
        **properties: Any,
    ) -> None:
        """Publish a message, to the dead letters if nothing else is said."""
        raw = body if isinstance(body, bytes) else json.dumps(body or [[7], {}, {}]).encode()
        known = {"task": task, "id": call}
        given = {name: value for name, value in known.items() if value is not None}
        given |= {DEAD: death.to_header()} if death else {}
        if message is not None:
            properties["message_id"] = message
        prepared = self.channel.prepare_message(
            raw,
            priority=properties.pop("priority", None),
            content_type=content_type,
            content_encoding="utf-8",
            headers={**given, **(headers or {})},
            properties=properties,
        )
        self.channel.basic_publish(prepared, to or self.app.topology.dead, key)

    def collect(self) -> int:
        return collect_once(self.app, self.connection)

    def letters(self, wanted: Filter = EVERYTHING) -> list[DeadLetter]:
        return self.app.backend.database.statement(
            lambda connection: table.newest(connection, wanted, limit=1000), timeout=1
        )[::-1]

    def state_of(self, task_id: str) -> str:
        row = self.app.backend.load([task_id]).get(task_id)
        return "PENDING" if row is None else row.state

    def waiting(self, queue: str) -> list[dict[str, Any]]:
        """The messages of a queue."""
        return [
            {**view.headers, **view.properties, "payload": json.loads(view.body)}
            for view in self.store.messages(queue)
        ]


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    made: list[tuple[str, World]] = []

    def make(**settings: Any) -> World:
        clock = VirtualClock()
        name = f"dead-{next(_names)}"
        store = local.memory_store(name, clock=clock.timestamp)
        given = read_settings(
            **{
                "broker_url": local.memory_url(name),
                "database_url": f"sqlite:///{tmp_path}/{name}.db",
                "task_modules": (),
                **settings,
            }
        )
        app = collector_app(given, {"orders.alert": ("mail", None)})
        app._clock = clock.now
        world = World(app, clock, store)
        made.append((name, world))
        return world

    yield make
    for name, world in made:
        world.connection.close()
        world.app.amqp.close_connections()
        world.app.close()
        local.forget(name)
    close_connections()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
