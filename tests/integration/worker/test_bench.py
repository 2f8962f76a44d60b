"""``fw bench`` measures with real workers, and leaves nothing behind."""

from __future__ import annotations

import json

from sqlalchemy import func, select

from fw_core.database.tables import results
from fw_testing.services import Services


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
    check(json.loads(place.run("bench", "--calls", "200", "--json").stdout))
    assert sorted(place.path.iterdir()) == before


def test_it_measures_servers_and_removes_what_it_made(place, fw_services: Services):
    env = {
        "FW_BROKER_URL": fw_services.settings.broker_url,
        "FW_DATABASE_URL": fw_services.settings.database_url,
        "FW_PREFIX": fw_services.settings.prefix,
    }
    check(json.loads(place.run("bench", "--calls", "200", "--json", **env).stdout))
    count = select(func.count()).select_from(results)
    database = fw_services.app.backend.database
    assert database.statement(lambda connection: connection.scalar(count), timeout=5) == 0
    if fw_services.management is not None:
        assert not [name for name in fw_services.management.queues() if "fw-bench" in name]
