"""The worker image does not start with files in place of servers."""

from __future__ import annotations

import pytest

from fw_core import SettingsError
from fw_core.settings import read_settings

AMQP = "amqp://guest@host//"
POSTGRESQL = "postgresql://fw@host/fw"


@pytest.mark.parametrize(
    "given,missing",
    [
        ({}, "FW_BROKER_URL and FW_DATABASE_URL are"),
        ({"broker_url": AMQP}, "FW_DATABASE_URL is"),
        ({"database_url": POSTGRESQL}, "FW_BROKER_URL is"),
        ({"broker_url": AMQP, "database_url": "sqlite:///x.db"}, "FW_DATABASE_URL is"),
        ({"broker_url": "local:////x.db", "database_url": POSTGRESQL}, "FW_BROKER_URL is"),
    ],
)
def test_a_missing_server_is_refused_by_its_variable_s_name(given, missing, monkeypatch):
    monkeypatch.setenv("FW_REQUIRE_SERVERS", "1")
    with pytest.raises(SettingsError, match=missing) as raised:
        read_settings(**given)
    assert "Fix: FW_" in str(raised.value)


def test_both_servers_are_enough():
    read_settings(require_servers=True, broker_url=AMQP, database_url=POSTGRESQL)


def test_without_it_files_are_fine():
    assert read_settings(broker_url="", database_url="").is_local
