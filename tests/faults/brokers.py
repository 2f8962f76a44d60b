"""The messages that a broker still has, counted the same way on RabbitMQ and without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fw_core.broker.local import file_store
from fw_core.broker.topology import Topology
from fw_testing.management import Management

DEAD = Topology().dead


def number_of(body: str | bytes) -> int:
    """The number of a call, by the body of its message."""
    arguments = json.loads(body)[0]
    return int(arguments[0])


class RabbitMQ:
    """What the management API of the suite's own RabbitMQ says."""

    def __init__(self, management: Management) -> None:
        self._management = management

    def left(self) -> dict[str, int]:
        """All messages of each queue, also those that a worker holds."""
        vhost = self._management.vhost
        found = self._management.call("GET", f"queues/{vhost}")
        counts = {queue["name"]: int(queue.get("messages", 0)) for queue in found}
        return {name: n for name, n in counts.items() if name != DEAD and _is_ours(name)}

    def dead(self) -> list[int]:
        """The numbers in the queue of dead letters."""
        if DEAD not in self._management.queues():
            return []
        return [number_of(message.body) for message in self._management.get(DEAD, 10_000)]


class Local:
    """What the file of the local transport says."""

    def __init__(self, path: Path) -> None:
        self._store: Any = file_store(path)

    def left(self) -> dict[str, int]:
        """All messages of each queue, also those that wait and those that a worker holds."""
        return {
            queue.name: queue.ready + queue.delayed + queue.owned
            for queue in self._store.queues()
            if queue.name != DEAD and _is_ours(queue.name)
        }

    def dead(self) -> list[int]:
        """The numbers in the queue of dead letters."""
        if DEAD not in [queue.name for queue in self._store.queues()]:
            return []
        return [number_of(message.body) for message in self._store.messages(DEAD)]

    def close(self) -> None:
        """Close the file."""
        self._store.close()


def _is_ours(queue: str) -> bool:
    """Workers have queues of their own for remote control and events, which nobody waits for."""
    return "pidbox" not in queue and not queue.startswith("celeryev")
