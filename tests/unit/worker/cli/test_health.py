"""``fw health``."""

from __future__ import annotations

import json
import time

import pytest

from fw_worker.health.report import CollectorReport, Report, write


@pytest.fixture
def report(place):
    """Writes what a worker says of itself now."""

    def report(state="consuming", age=0.0, collector=None):
        now = time.time() - age
        queues = {"default": 2, "bulk": None}
        told = Report(
            worker="fw-1@here",
            pid=1,
            at=now,
            until=now + 25,
            state=state,
            since=now,
            queues=queues,
            dead=4,
            collector=collector,
        )
        write(place / "health", told)

    return report


def test_a_worker_that_takes_messages_is_healthy(fw, report, monkeypatch):
    monkeypatch.setenv("FW_HEALTH_FILE", "health")
    report()
    shown = fw("health").output
    assert "state        consuming" in shown
    assert "ready        default 2, bulk ?" in shown


@pytest.mark.parametrize("state,age", [("connecting", 0), ("consuming", 60)])
def test_one_that_takes_none_is_not(fw, report, state, age):
    """Exit code 1, and why."""
    report(state, age)
    assert fw("health", "--file", "health", code=1).stderr.startswith("The worker")


def test_json_is_one_document_with_all_that_is_known(fw, report):
    report()
    facts = json.loads(fw("health", "--file", "health", "--json").stdout)
    assert facts["healthy"] is True
    assert facts["queues"] == {"default": 2, "bulk": None}


@pytest.mark.parametrize(
    "collector,shown",
    [
        (None, "none (FW_COLLECT_DEAD_LETTERS=false)"),
        (CollectorReport(is_alive=True), "runs, nothing kept yet, 0 not settled yet"),
        (
            CollectorReport(is_alive=False, kept=0.0, unsettled=3),
            "has ended, and is started again, kept one ",
        ),
    ],
)
def test_the_collector_is_shown(fw, report, collector, shown):
    report(collector=collector)
    assert f"collector    {shown}" in fw("health", "--file", "health").output
    facts = json.loads(fw("health", "--file", "health", "--json").stdout)
    assert facts["dead"] == 4
    assert (facts["collector"] is None) == (collector is None)


def test_a_collector_that_stands_still_while_letters_wait_is_unhealthy(fw, report):
    """With what to do about it, in the same line."""
    report(collector=CollectorReport(is_alive=True, stuck=300))
    told = fw("health", "--file", "health", code=1).stderr
    assert "Fix: fw dead collect" in told
    assert told.count("\n") == 1
    assert json.loads(fw("health", "--file", "health", "--json", code=1).stdout)["trouble"] in told


def test_without_a_file_nothing_is_known(fw):
    assert json.loads(fw("health", "--json", code=1).stdout)["healthy"] is False
    assert "FW_HEALTH_FILE is not set" in fw("health", code=1).stderr
