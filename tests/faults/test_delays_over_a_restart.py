"""Delays are the broker's: they go on while it is stopped, and nobody else has to remember them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kombu import Connection

from .scene import Scene
from .servers import Servers, wait_until

pytestmark = [pytest.mark.fw_faults, pytest.mark.timeout(200)]

DELAYS = [1.0, 1.25, *(2.0 + 0.95 * step for step in range(18)), 20.0, 25.0, 28.35]
"""Seconds; some are a step of the wait queues, the others go through two of them."""

EACH = 10
LATE_SECONDS = 10.0
"""What may pass from when a call is due, and there is a worker, until it has run."""


def send(scene: Scene) -> dict[int, datetime]:
    """Send the calls, the longest delay first; when each of them is due."""
    program = Path(__file__).parent / "modules" / "delayed_producer.py"
    delays = [str(delay) for delay in sorted(DELAYS, reverse=True)]
    done = subprocess.run(
        [sys.executable, str(program), str(EACH), *delays],
        cwd=scene.directory,
        env={**os.environ, **scene.settings.environment(), **scene.env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {int(number): datetime.fromtimestamp(at, UTC) for number, at in found.items()}


def waiting(scene: Scene, kind: str) -> int:
    """How many messages are in the wait queues of a kind, counted by the queues themselves."""
    queues = [queue for queue in scene.messages.left() if queue.startswith(kind)]
    with Connection(scene.settings.broker_url) as connection:
        channel = connection.default_channel
        return sum(channel.queue_declare(queue, passive=True).message_count for queue in queues)


def test_delayed_calls_keep_their_time_over_a_restart_of_the_broker(
    scene: Scene, servers: Servers
) -> None:
    """Nobody else is there: their worker starts when the broker is back."""
    due = send(scene)
    for kind in ("fw.wait.", "fw.long."):
        assert waiting(scene, kind) >= EACH, f"too few calls wait in {kind}*"

    servers.broker.stop()
    servers.broker.start()
    back = datetime.now(UTC)
    assert sum(moment > back for moment in due.values()) >= EACH, "the restart took too long"
    scene.env["FAULTS_WORK_SECONDS"] = "0"
    scene.fleet.start()
    ready = datetime.now(UTC)
    wait_until(lambda: len(scene.journal.done()) == len(due), "all have run", 60)

    ran = scene.journal.done_at()
    assert ran.keys() == due.keys()
    assert scene.journal.repeats() == {}
    assert [number for number, at in ran.items() if at < due[number]] == []
    late = {number: at - max(due[number], ready) for number, at in ran.items()}
    assert max(late.values()) < timedelta(seconds=LATE_SECONDS), sorted(late.values())[-20:]
    assert scene.messages.dead() == []
