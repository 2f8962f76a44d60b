from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
import pytest

from fw_core.settings import Settings
from fw_testing.fresh import fresh_database, fresh_name, fresh_vhost, template_database
from fw_testing.management import Management

from .brokers import Local, RabbitMQ
from .counts import Counts, table, with_block
from .journal import Journal
from .scene import Scene
from .servers import Servers, start_servers

CALLS = int(os.environ.get("FW_FAULTS_CALLS", "1000"))
SEED = int(os.environ.get("FW_FAULTS_SEED", "1"))
PAGE = Path(__file__).parents[2] / "docs/reference/faults.md"

_ROWS = pytest.StashKey[dict[str, list[Counts]]]()
_TITLES = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-table", action="store_true", help=f"write what was counted to {PAGE}")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ROWS] = {}
    config.stash[_TITLES] = {}


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for key, rows in sorted(config.stash[_ROWS].items()):
        if not rows:  # the run was stopped before its first fault was counted
            continue
        terminalreporter.section(f"faults: {config.stash[_TITLES][key]}")
        terminalreporter.write_line(table(rows))
        if config.getoption("--write-table"):
            block = f"{config.stash[_TITLES][key]}\n\n{table(rows)}"
            PAGE.write_text(with_block(PAGE.read_text(), key, block))


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        # Not below pytest's own directory, which only one user may enter: servers have others.
        directory = stack.enter_context(TemporaryDirectory(prefix="fw-faults-"))
        yield start_servers(stack, Path(directory))


@pytest.fixture(scope="session")
def template(servers: Servers) -> Iterator[str]:
    with template_database(servers.database.url) as name:
        yield name


@pytest.fixture
def scene(
    servers: Servers, template: str, tmp_path: Path, pytestconfig: pytest.Config
) -> Iterator[Scene]:
    """A vhost, a database and a journal of the fault's own."""
    management = Management(servers.broker.management_url, fresh_name())
    broker, database = _version(management.version()), _database_version(servers.database.url)
    title = f"RabbitMQ {broker}, PostgreSQL {database}"
    with ExitStack() as stack:
        broker_url = stack.enter_context(fresh_vhost(servers.broker.url, management))
        database_url = stack.enter_context(fresh_database(servers.database.url, template))
        settings = Settings(broker_url=broker_url, database_url=database_url)
        key = f"rabbitmq-{broker.partition('.')[0]}"
        yield from _scene(
            stack, settings, tmp_path, servers, RabbitMQ(management), pytestconfig, key, title
        )


@pytest.fixture
def local_scene(servers: Servers, tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[Scene]:
    """No server but the journal: messages and results in files under ``.fw/``."""
    directory = tmp_path / ".fw"
    directory.mkdir()
    settings = Settings(broker_url="", database_url="", directory=directory)
    with ExitStack() as stack:
        messages = Local(directory / "broker.db")
        stack.callback(messages.close)
        title = "Without servers: the local transport and SQLite"
        yield from _scene(
            stack, settings, tmp_path, servers, messages, pytestconfig, "local", title
        )


def _scene(
    stack: ExitStack,
    settings: Settings,
    directory: Path,
    servers: Servers,
    messages: RabbitMQ | Local,
    config: pytest.Config,
    key: str,
    title: str,
) -> Iterator[Scene]:
    modules = Path(__file__).parent / "modules"
    env = {
        "FAULTS_JOURNAL_URL": servers.journal.url,
        "FW_DIRECTORY": str(settings.directory),
        "PYTHONPATH": str(modules),
    }
    config.stash[_TITLES][key] = (
        f"{title}; {CALLS:,} calls each, seed {SEED}, {os.cpu_count()} processors."
    )
    scene = Scene(
        calls=CALLS,
        seed=SEED,
        settings=settings,
        directory=directory,
        env=env,
        journal=Journal(servers.journal.url),
        messages=messages,
        report=config.stash[_ROWS].setdefault(key, []).append,
    )
    stack.callback(scene.close)
    yield scene


def _version(text: str) -> str:
    return ".".join(text.split(".")[:2])


def _database_version(url: str) -> str:
    connection = psycopg2.connect(url)
    try:
        return str(connection.server_version // 10000)
    finally:
        connection.close()
