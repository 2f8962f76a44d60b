"""``fw worker`` and ``fw dev``: what is refused before a worker starts."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("command", ["worker", "dev"])
def test_without_a_task_module_it_says_what_to_set(fw, command):
    assert "FW_TASK_MODULES is empty" in fw(command, code=2).stderr


def test_a_module_that_cannot_be_imported_is_named(fw, place):
    assert "'no_such' cannot be imported" in fw("worker", "-m", "no_such", code=2).stderr


def test_an_unknown_queue_comes_with_the_nearest(fw, tasks):
    said = fw("worker", "--queues", "bulkk", code=2)
    assert "'bulkk', which no worker declares (bulk, default)" in said.stderr
    assert "Did you mean 'bulk'?" in said.stderr


def test_without_servers_it_does_not_start_where_they_are_required(fw, tasks, monkeypatch):
    monkeypatch.setenv("FW_REQUIRE_SERVERS", "1")
    said = fw("worker", code=2)
    assert "FW_BROKER_URL and FW_DATABASE_URL are not set" in said.stderr
