"""What the broker's version means for the declared tasks, said once it is known."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from celery import bootsteps
from celery.worker.consumer.connection import Connection

from fw_core.declare.spec import TaskSpec

_logger = logging.getLogger("fw.worker")

_FIRST_WITH_PRIORITIES = (4, 0)


class SayWhatTheBrokerCannot(bootsteps.StartStopStep):  # type: ignore[misc]
    """Warns at the first connection of a worker, also of one that had to wait for its broker."""

    requires = (Connection,)

    def __init__(self, c: Any, **options: Any) -> None:
        super().__init__(c, **options)
        self.said = False

    def start(self, c: Any) -> None:
        """Compare the broker's version with what the tasks ask for."""
        if self.said:
            return
        self.said = True
        properties = getattr(c.connection.connection, "server_properties", None) or {}
        version = str(properties.get("version") or "")
        specs = [handle.spec for handle in c.app.registry.values()]
        line = priority_warning(version, specs) if not c.app.is_local else None
        if line:
            _logger.warning("%s", line)


def priority_warning(version: str, specs: Iterable[TaskSpec]) -> str | None:
    """What to say where tasks have a priority and the broker's quorum queues have none.

    >>> priority_warning("4.0.5", [])
    """
    prioritised = sorted(spec.name for spec in specs if spec.priority is not None)
    number = _number(version)
    if not prioritised or number is None or number >= _FIRST_WITH_PRIORITIES:
        return None
    return (
        f"priority has no effect: RabbitMQ {version} has none in its quorum queues, 4.0 does. "
        f"It is asked for by {', '.join(prioritised)}."
    )


def _number(version: str) -> tuple[int, int] | None:
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    try:
        return int(major), int(minor or 0)
    except ValueError:
        return None
