"""``fw demo``: how it answers; that it runs is tested with its real worker."""

from __future__ import annotations

import json

import pytest

from fw_worker.demo.report import Report


@pytest.fixture
def report(monkeypatch):
    """What the demo found."""
    found = Report(seconds=9.5, steps=[{"step": "retry"}])
    monkeypatch.setattr("fw_worker.demo.story.run_demo", lambda say: found)
    return found


def test_a_demo_that_went_as_said_exits_with_0(fw, report, declaring):
    report.ok = True
    assert "All of it happened as said" in fw("demo").stdout


def test_a_demo_that_did_not_exits_with_1_and_says_what(fw, report, declaring):
    report.error = "The demo expected a retry"
    said = fw("demo", code=1)
    assert "The demo expected a retry" in said.stderr
    assert "happened as said" not in said.stdout


def test_json_has_the_facts_also_when_it_failed(fw, report, declaring):
    report.error = "The demo expected a retry"
    assert json.loads(fw("demo", "--json", code=1).stdout) == {
        "ok": False,
        "seconds": 9.5,
        "steps": [{"step": "retry"}],
        "error": "The demo expected a retry",
    }
