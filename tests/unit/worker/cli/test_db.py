"""``fw db upgrade``."""

from __future__ import annotations

import json


def test_it_makes_the_tables_and_then_has_nothing_to_do(fw, place):
    first = json.loads(fw("db", "upgrade", "--json").stdout)
    assert first["applied"]
    assert (place / ".fw" / "results.db").exists()
    assert json.loads(fw("db", "upgrade", "--json").stdout)["applied"] == []
    assert "up to date" in fw("db", "upgrade").stdout


def test_a_database_that_is_down_is_said_without_the_password(fw, monkeypatch):
    monkeypatch.setenv("FW_DATABASE_URL", "postgresql://fw:geheim@127.0.0.1:1/fw")
    said = fw("db", "upgrade", code=1)
    assert "cannot be used" in said.stderr
    assert "geheim" not in said.output
