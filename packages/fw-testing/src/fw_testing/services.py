"""``fw_services`` and ``fw_live_worker``: real RabbitMQ, real PostgreSQL, a real worker process.

Each test has a vhost and a database of its own on servers that one run of the tests shares.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from fw_core.broker.app import App
    from fw_core.settings import Settings
    from fw_testing.faults import Fault
    from fw_testing.live_worker import LiveWorker
    from fw_testing.management import Management
    from fw_testing.servers import Servers, UnavailableError

REQUIRE = "FW_REQUIRE_SERVICES"
"""Set to 1, a missing server is a failure instead of a skipped test."""


@dataclass(frozen=True, slots=True)
class Services:
    """Real servers, with a place of its own for one test.

    Attributes:
        settings: What an app or a worker on these services needs.
        app: The app through which the test's own calls are sent.
        broker_url: RabbitMQ, with the test's own vhost.
        database_url: PostgreSQL, with the test's own database; its tables are there.
        management: RabbitMQ's management API on the test's vhost; None where there is none, and
            then ``settings.prefix`` keeps the test's names apart.
    """

    settings: Settings
    app: App
    broker_url: str
    database_url: str
    management: Management | None

    def count(self, queue: str) -> int:
        """How many messages are ready in a queue (by its name without prefix), exactly and now."""
        with self.app.connection_for_read() as connection, connection.channel() as channel:
            declared = channel.queue_declare(self.settings.prefix + queue, passive=True)
            return int(declared.message_count)


class StartWorker(Protocol):
    """Starts a worker on the test's services and returns when it takes messages."""

    def __call__(
        self,
        *modules: str,
        queues: Sequence[str] = (),
        concurrency: int = 1,
        pool: str = "prefork",
        env: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> LiveWorker:
        """Start a worker.

        Args:
            modules: Names of modules that declare tasks; what the test can import will do.
            queues: The queues that it takes; all, if none is given.
            concurrency: How many attempts it runs at a time.
            pool: Celery's pool: prefork, threads or solo.
            env: Further environment variables.
            wait: Return when it takes messages; else at once.
        """
        ...


@pytest.fixture
def fw_services(request: pytest.FixtureRequest) -> Iterator[Services]:
    """Real RabbitMQ and PostgreSQL, with a vhost and a migrated database of the test's own.

    Calls that the test makes are sent there. Where there are no servers the test is skipped with
    the reason; with ``FW_REQUIRE_SERVICES=1`` it fails.
    """
    shared = _shared(request.config)
    with ExitStack() as stack:
        yield _services(stack, shared)


@pytest.fixture
def fw_live_worker(
    fw_services: Services, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[StartWorker]:
    """Starts real workers on ``fw_services``; they are stopped after the test.

    Their logs stand in the report of a test that fails.
    """
    from fw_testing.live_worker import start_worker

    workers: list[LiveWorker] = []
    fault: Fault | None = None
    if "fw_fault" in request.fixturenames:
        fault = request.getfixturevalue("fw_fault")

    def start(
        *modules: str,
        queues: Sequence[str] = (),
        concurrency: int = 1,
        pool: str = "prefork",
        env: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> LiveWorker:
        own_modules, own_env = _faulty(fault, pool)
        worker = start_worker(
            fw_services.settings,
            modules=[*own_modules, *modules],
            queues=queues,
            concurrency=concurrency,
            pool=pool,
            env={**own_env, **(env or {})},
            directory=tmp_path,
            log_path=tmp_path / f"worker{len(workers) + 1}.log",
        )
        workers.append(worker)
        if wait:
            worker.wait_until_ready()
        return worker

    try:
        yield start
    finally:
        for number, worker in enumerate(workers, start=1):
            try:
                worker.stop()
            finally:
                # pytest shows what is printed here if the test has failed.
                print(f"--- log of worker {number} ---\n{worker.log}")  # noqa: T201


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what needs the servers, so that ``-m fw_services`` chooses it."""
    if "fw_services" in getattr(item, "fixturenames", ()):
        item.add_marker("fw_services")


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the tests of one run share."""

    servers: Servers
    template: str


def _faulty(fault: Fault | None, pool: str) -> tuple[list[str], dict[str, str]]:
    """What a worker imports, and what it is told, to suffer the fault of the test."""
    if fault is None:
        return [], {}
    from fw_testing.faults import in_worker
    from fw_testing.faults.occurrences import InDirectory

    if fault.name.startswith("crash") and pool != "prefork":
        pytest.fail(
            f"The fault {fault.name!r} kills the process that runs tasks; in the pool {pool!r} "
            "that is the worker itself, which nobody would start again.\n"
            'Fix: fw_live_worker(..., pool="prefork")',
            pytrace=False,
        )
    occurrences = fault.occurrences
    assert isinstance(occurrences, InDirectory)  # it was put in for a test with a worker
    told = in_worker.environment(fault.name, occurrences.path, lasting=fault.lasting)
    return [in_worker.MODULE], told


_SHARED = pytest.StashKey["_Shared | UnavailableError"]()


def _shared(config: pytest.Config) -> _Shared:
    from fw_testing.servers import UnavailableError

    found = config.stash.get(_SHARED, None)
    if found is None:
        found = config.stash[_SHARED] = _find_shared(config)
    if isinstance(found, UnavailableError):
        reason = f"fw_services: {found}"
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(f"{reason} ({REQUIRE}=1)", pytrace=False)
        pytest.skip(reason)
    return found


def _find_shared(config: pytest.Config) -> _Shared | UnavailableError:
    from fw_testing.fresh import template_database
    from fw_testing.servers import UnavailableError, find_servers
    from fw_testing.side_by_side import find_servers_of_run

    stack = ExitStack()
    config.add_cleanup(stack.close)
    run = getattr(config, "workerinput", {}).get("testrunuid")  # of pytest-xdist
    try:
        servers = find_servers_of_run(stack, run) if run else find_servers(stack)
    except UnavailableError as error:
        return error
    return _Shared(servers, stack.enter_context(template_database(servers.database_url)))


def _services(stack: ExitStack, shared: _Shared) -> Services:
    from fw_core import client
    from fw_core.broker.app import create_app
    from fw_core.declare.registry import TASK_REGISTRY
    from fw_core.settings import read_settings
    from fw_testing.fresh import fresh_database, fresh_name, fresh_prefix, fresh_vhost
    from fw_testing.management import Management

    servers, name = shared.servers, fresh_name()
    management = Management(servers.management_url, name) if servers.management_url else None
    broker_url = servers.broker_url
    if management:
        broker_url = stack.enter_context(fresh_vhost(broker_url, management))
    database_url = stack.enter_context(fresh_database(servers.database_url, shared.template))
    settings = read_settings(
        broker_url=broker_url,
        database_url=database_url,
        management_url=servers.management_url,
        prefix="" if management else f"{name}.",
        task_modules=(),
    )
    app = create_app(settings, TASK_REGISTRY)
    if not management:
        stack.enter_context(fresh_prefix(app))
    stack.callback(app.close)
    stack.callback(app.amqp.close_connections)
    stack.enter_context(client.using(app))
    return Services(settings, app, broker_url, database_url, management)
