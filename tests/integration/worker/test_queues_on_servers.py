"""``fw queues`` on RabbitMQ: what workers hold is counted, or said not to be."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def place(place, fw_services):
    """The test's own vhost and database."""
    place.env |= {
        "FW_BROKER_URL": fw_services.broker_url,
        "FW_DATABASE_URL": fw_services.database_url,
        "FW_PREFIX": fw_services.settings.prefix,
    }
    return place


def counts(place, **env):
    return {
        count["queue"]: count for count in json.loads(place.run("queues", "--json", **env).stdout)
    }


@pytest.mark.timeout(200)  # RabbitMQ 4.0 takes half a minute to count a queue that is at rest
def test_messages_that_a_worker_holds_are_counted_by_the_management_api(
    place, fw_services, wait_until
):
    """Its numbers are some seconds old."""
    if fw_services.management is None:
        pytest.skip("there is no management API")
    url = fw_services.settings.management_url
    worker = place.start("worker", "--concurrency", "1").ready()
    place.send("nap(300)", "nap(300)")
    place.run("send", "team.greet", "Ada", "--delay", "600")

    def are_counted():
        found = counts(place, FW_MANAGEMENT_URL=url)
        return (
            found["default"]["unacknowledged"] == found["default"]["total"] == 2
            and found.get("fw.wait.600000", {"total": 0})["total"] == 1
        )

    wait_until(are_counted, "two messages are held and one waits", 150)
    assert counts(place)["default"]["unacknowledged"] is None
    said = place.run("queues")
    assert "set FW_MANAGEMENT_URL" in said.stderr
    worker.kill()


def test_queues_that_nobody_has_declared_are_empty(place):
    found = counts(place)
    assert list(found) == ["default", "fw.dead", "fw.outcomes", "fw.workflows"]
    assert {count["total"] for count in found.values()} == {0}
