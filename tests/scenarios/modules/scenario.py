"""What a scenario is: a small program, and the events that it must produce on every engine."""

from __future__ import annotations

import os
import signal
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from scenario_recorder import JOURNAL, playing

from fw_core import TASK_REGISTRY, current_attempt
from fw_core.client import current_app
from fw_testing.worker import ProcessDied

Condition = Callable[[], Any]
Play = Callable[[], Iterator[Condition] | None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario.

    Attributes:
        name: Its function's name: a claim.
        module: The module that declares it and its tasks.
        events: The events, one block for each call; see ``test_scenarios``.
        play: Sends. It may be a generator: what it yields is waited for before it goes on.
        in_order: Calls whose first attempts must start in this order. They are sent before there
            is a worker, to a queue that one worker takes one by one.
        before_the_workers: It is played before a real worker is there.
        needs_priorities: The order is that of priorities, which RabbitMQ before 4.0 has not.
    """

    name: str
    module: str
    events: str
    play: Play
    in_order: Sequence[str] = ()
    needs_priorities: bool = False
    before_the_workers: bool = False

    def __repr__(self) -> str:
        return self.name


_declared: dict[str, Scenario] = {}
_tasks: Mapping[str, Any] = {}


def scenario(
    events: str,
    *,
    in_order: Sequence[str] = (),
    needs_priorities: bool = False,
    before_the_workers: bool = False,
) -> Callable[[Play], Play]:
    """Declare the decorated function as a scenario that must produce ``events``."""

    def declare(play: Play) -> Play:
        name = play.__name__
        assert name not in _declared, f"two scenarios are called {name}"
        _declared[name] = Scenario(
            name,
            play.__module__,
            textwrap.dedent(events),
            play,
            in_order,
            needs_priorities,
            before_the_workers or bool(in_order),
        )
        return play

    return declare


def succeeds(call: str, value: str) -> str:
    """The events of a call that succeeds at its first attempt."""
    return f"{call}\n    1: succeeded {value}\n    result SUCCESS {value}\n"


def fails(call: str, error: str, why: str) -> str:
    """The events of a call that fails for good at its first attempt."""
    return f"{call}\n    1: failed {error}\n    result FAILURE {error}\n    dead {why}\n"


def modules() -> list[str]:
    """The modules that declare scenarios."""
    return sorted(path.stem for path in Path(__file__).parent.glob("scenarios_*.py"))


def scenarios() -> dict[str, Scenario]:
    """All scenarios by name; their tasks are not known to anybody who does not ask for them."""
    global _tasks
    if not _tasks:
        with TASK_REGISTRY.scoped():
            before = set(TASK_REGISTRY)
            for name in modules():
                import_module(name)
            _tasks = {name: TASK_REGISTRY[name] for name in TASK_REGISTRY if name not in before}
    return dict(_declared)


def declare_tasks() -> None:
    """Make the scenarios' tasks known, in a scope of the registry that the caller closes."""
    scenarios()
    for task in _tasks.values():
        if task.name not in TASK_REGISTRY:
            TASK_REGISTRY.add(task)


_runs: dict[str, int] = {}


def times_run() -> int:
    """Which run of its call this is: the first, the second, in whatever process."""
    task_id = current_attempt().task_id
    if JOURNAL not in os.environ:
        _runs[task_id] = _runs.get(task_id, 0) + 1
        return _runs[task_id]
    with Path(f"{os.environ[JOURNAL]}-{task_id}").open("a+b") as runs:
        runs.write(b"x")
        return runs.tell()


def process_dies() -> None:
    """End the process that runs this attempt; the fake has none but the test's own."""
    if JOURNAL not in os.environ:
        raise ProcessDied
    os.kill(os.getpid(), signal.SIGKILL)


def give_back(queue: str) -> None:
    """Take the one message of a queue and give it back, as a consumer does that goes away."""
    app = current_app()
    with app.connection_for_read() as connection, connection.channel() as channel:
        message = channel.basic_get(app.topology.queue_name(queue))
        assert message is not None, f"nothing is in {queue}"
        channel.basic_reject(message.delivery_tag, requeue=True)


def message_from_elsewhere(
    body: bytes,
    *,
    queue: str = "default",
    content_type: str = "application/json",
    **headers: Any,
) -> None:
    """Put a message into a queue that no fw sender has made; its id is the scenario's name."""
    app = current_app()
    letter = app.amqp.letter(
        queue=app.topology.queue_name(queue),
        due=None,
        body=body,
        content_type=content_type,
        content_encoding="utf-8",
        headers={"scenario": playing[-1], "id": playing[-1], **headers},
        properties={},
    )
    with app.producer_or_acquire() as producer:
        app.amqp.post(producer, letter)
