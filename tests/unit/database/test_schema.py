"""Tables change by migration only, at one time only."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from fw_core.database import schema
from fw_core.database.engine import close_connections, engine_for
from fw_core.database.tables import metadata


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    url = f"sqlite:///{tmp_path}/results.db"
    yield url
    close_connections(url)


def test_an_upgrade_from_nothing_gives_exactly_the_tables_that_the_code_uses(url: str) -> None:
    schema.upgrade(url)

    assert schema.differences(url) == []


def test_a_difference_between_tables_and_migrations_would_be_seen(url: str) -> None:
    schema.upgrade(url)
    with engine_for(url).begin() as connection:
        connection.execute(text("ALTER TABLE fw_results DROP COLUMN worker"))

    assert schema.differences(url)


def test_a_second_upgrade_has_nothing_to_do(url: str) -> None:
    first, second = schema.upgrade(url), schema.upgrade(url)

    assert [name.split()[0] for name in first] == ["0001", "0002", "0003"]
    assert second == []


def test_only_an_upgraded_database_is_current(url: str) -> None:
    before = schema.is_current(url)
    schema.upgrade(url)

    assert (before, schema.is_current(url)) == (False, True)


def test_an_older_database_is_not_current(url: str) -> None:
    schema.upgrade(url)
    with engine_for(url).begin() as connection:
        connection.execute(text("UPDATE fw_alembic_version SET version_num = '0000'"))

    assert not schema.is_current(url)


def test_the_revision_that_counts_as_current_is_the_newest_one() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))

    assert ScriptDirectory.from_config(config).get_current_head() == schema.HEAD


def test_an_upgrade_leaves_a_teams_own_migrations_alone(url: str) -> None:
    with engine_for(url).begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('theirs')"))
        connection.execute(text("CREATE TABLE invoices (id INTEGER)"))

    schema.upgrade(url)

    with engine_for(url).begin() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "theirs"
    assert schema.differences(url) == []


def test_an_upgrade_that_fails_leaves_nothing_behind(url: str) -> None:
    with engine_for(url).begin() as connection:
        connection.execute(text("CREATE TABLE fw_join_members (id INTEGER)"))  # in the way

    with pytest.raises(Exception, match="fw_join_members"):
        schema.upgrade(url)

    assert inspect(engine_for(url)).get_table_names() == ["fw_join_members"]


def test_processes_that_upgrade_at_once_all_end_fine(url: str) -> None:
    code = f"from fw_core.database import schema; print(schema.upgrade({url!r}))"
    several = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]

    said = sorted(process.communicate(timeout=60)[0].strip() for process in several)

    assert [process.returncode for process in several] == [0, 0, 0, 0]
    assert said[:1] != ["[]"]
    assert said[1:] == ["[]", "[]", "[]"]


def test_every_table_of_ours_can_be_told_from_a_teams() -> None:
    assert all(name.startswith("fw_") for name in metadata.tables)
