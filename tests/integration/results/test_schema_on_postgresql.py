"""Migrations on PostgreSQL: run by a command, by one process at a time."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fw_core.database import schema
from fw_core.errors import ResultStoreError


def test_an_upgrade_from_nothing_gives_exactly_the_tables_that_the_code_uses(
    database_url: str,
) -> None:
    assert not schema.is_current(database_url)

    schema.upgrade(database_url)

    assert schema.is_current(database_url)
    assert schema.differences(database_url) == []
    assert schema.upgrade(database_url) == []


def test_processes_that_upgrade_at_once_all_end_fine(database_url: str) -> None:
    code = f"from fw_core.database import schema; print(schema.upgrade({database_url!r}))"
    several = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]

    said = [process.communicate(timeout=60)[0].strip() for process in several]

    assert [process.returncode for process in several] == [0, 0, 0, 0]
    assert sum(names != "[]" for names in said) == 1


def test_missing_tables_are_told_at_once_and_never_made_in_passing(
    database_url: str, make_backend: object
) -> None:
    backend = make_backend(database_url)  # type: ignore[operator]

    with pytest.raises(ResultStoreError) as told:
        backend.store_result("id-1", 1, "SUCCESS")

    assert told.value.fix == "fw db upgrade"
    assert not schema.is_current(database_url)
