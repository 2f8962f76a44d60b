"""A worker on RabbitMQ ends in time, and gives the rest to another one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import stopped_tasks


@pytest.fixture
def place(place, fw_services):
    """The test's own vhost and database, and tasks that write down each run."""
    place.write(Path(stopped_tasks.__file__).read_text())
    place.env |= {
        "FW_BROKER_URL": fw_services.broker_url,
        "FW_DATABASE_URL": fw_services.database_url,
        "FW_PREFIX": fw_services.settings.prefix,
    }
    return place


def runs(place):
    path = place.path / "runs"
    return path.read_text().splitlines() if path.exists() else []


def wait_for_runs(place, expected, worker):
    end = time.monotonic() + 60
    while not set(expected) <= set(runs(place)):
        assert time.monotonic() < end, worker.log
        time.sleep(0.05)


def test_what_does_not_end_in_time_and_what_had_not_begun_runs_once_elsewhere(place):
    """A task of a minute, three that wait behind it, and two seconds to stop."""
    first = place.start("worker", "--concurrency", "1", FW_STOP_TIMEOUT="2").ready()
    place.send("long()", "short(1)", "short(2)", "short(3)")
    wait_for_runs(place, ["began"], first)
    second = place.start("worker", "--concurrency", "1").ready()

    begun = time.monotonic()
    assert first.stop() == 0
    assert time.monotonic() - begun < 12

    shorts = [f"short {n}" for n in (1, 2, 3)]
    wait_for_runs(place, [*shorts, "again"], second)
    assert second.stop() == 0
    assert sorted(runs(place)) == sorted(["began", "cleaned up", "again", *shorts])


def test_celerys_remote_shutdown_ends_in_time_too(place):
    """Flower has a button for it."""
    worker = place.start("worker", "--concurrency", "1", FW_STOP_TIMEOUT="2").ready()
    place.send("long()")
    wait_for_runs(place, ["began"], worker)
    begun = time.monotonic()
    place.run_python("from fw_worker.app import app; app.control.shutdown()")
    assert worker.process.wait(60) == 0
    assert time.monotonic() - begun < 15
    assert runs(place) == ["began", "cleaned up"]
