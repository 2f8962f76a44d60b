"""``fw bench`` measures with real workers, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from fw_core.database.tables import results, starts
from fw_testing.services import Services

pytestmark = pytest.mark.timeout(300)
BENCH_SECONDS = 240
"""It starts five workers, one after the other, beside the workers of other tests."""


def check(found: dict) -> None:
    """All of it was measured, and nothing was lost."""
    assert found["calls"] == 200
    for name in ("delay", "delay_many", "execute", "execute_with_results"):
        assert found[name]["per_second"] > 0, name
    assert found["round_trip"]["p50"] <= found["round_trip"]["p99"]
    assert len(found["round_trip"]["all"]) == 200
    assert found["worker_killed"]["lost"] == 0


def test_it_measures_this_machine_without_a_server(place):
    before = sorted(place.path.iterdir())
    check(json.loads(place.run("bench", "--calls", "200", "--json", within=BENCH_SECONDS).stdout))
    assert sorted(place.path.iterdir()) == before


def test_its_worker_ends_with_it(place):
    """A closed terminal or a cancelled job, in the middle of its work."""
    bench = place.start("bench", "--calls", "20000", "--concurrency", "1")
    bench.wait_for("a worker with 1 processes runs")
    worker = _child_of(bench.process.pid)
    bench.process.terminate()
    assert bench.process.wait(60) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def _child_of(pid: int) -> int:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if found:
            return int(found[0])
    raise AssertionError("it started no worker")


def test_it_measures_servers_and_removes_what_it_made(place, fw_services: Services):
    env = {
        "FW_BROKER_URL": fw_services.settings.broker_url,
        "FW_DATABASE_URL": fw_services.settings.database_url,
        "FW_PREFIX": fw_services.settings.prefix,
    }
    check(
        json.loads(
            place.run("bench", "--calls", "200", "--json", within=BENCH_SECONDS, **env).stdout
        )
    )
    for table in (results, starts):
        count = select(func.count()).select_from(table)
        database = fw_services.app.backend.database
        left = database.statement(
            lambda connection, count=count: connection.scalar(count), timeout=5
        )
        assert left == 0, table.name
    if fw_services.management is not None:
        assert not [name for name in fw_services.management.queues() if "fw-bench" in name]


def _asked(services: Services, what: Any) -> int:
    found: int = services.app.backend.database.statement(
        lambda connection: connection.scalar(what), timeout=5
    )
    return found
