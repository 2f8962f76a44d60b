"""``fw result``: what is stored of a call."""

from __future__ import annotations

import json

import pytest

from fw_core.broker.app import create_app
from fw_core.settings import read_settings


@pytest.fixture
def backend(place):
    """The store that the command reads."""
    return create_app(read_settings(), {}).backend


def test_a_call_that_nobody_knows_is_pending_and_says_where_it_looked(fw):
    said = fw("result", "nobody").stdout
    assert "PENDING" in said
    assert ".fw/results.db" in said


def test_a_success_is_shown_with_its_value(fw, backend):
    backend.store_result("good", {"paid": 7}, "SUCCESS")
    assert '{"paid": 7}' in fw("result", "good").stdout
    document = json.loads(fw("result", "good", "--json").stdout)
    assert document["state"] == "SUCCESS"
    assert document["result"] == {"paid": 7}
    assert document["error"] is None


def test_a_failure_is_shown_with_its_error_and_exits_with_1(fw, backend):
    backend.store_result("bad", ValueError("no such order"), "FAILURE", traceback="line 1\nline 2")
    assert "ValueError: no such order" in fw("result", "bad", code=1).stdout
    document = json.loads(fw("result", "bad", "--json", code=1).stdout)
    assert document["error"] == {"type": "ValueError", "message": "no such order"}
    assert document["traceback"] == "line 1\nline 2"


def test_waiting_ends_when_the_result_is_there(fw, backend):
    backend.store_result("good", 42, "SUCCESS")
    assert json.loads(fw("result", "good", "--wait", "--json").stdout)["result"] == 42


def test_waiting_for_a_failure_shows_it_and_exits_with_1(fw, backend):
    backend.store_result("bad", ValueError("no such order"), "FAILURE")
    said = fw("result", "bad", "--wait", code=1)
    assert "FAILURE" in said.stdout
    assert "ValueError: no such order" in said.stderr


def test_a_database_that_is_down_is_said_without_the_password(fw, monkeypatch):
    monkeypatch.setenv("FW_DATABASE_URL", "postgresql://fw:geheim@127.0.0.1:1/fw")
    said = fw("result", "any", code=1)
    assert "postgresql+psycopg2://fw:***@127.0.0.1:1/fw cannot be used" in said.stderr
    assert "geheim" not in said.output
