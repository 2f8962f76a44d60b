"""Where the real RabbitMQ and PostgreSQL of the tests come from, and how long they live.

From ``FW_TEST_BROKER_URL``, ``FW_TEST_MANAGEMENT_URL`` and ``FW_TEST_DATABASE_URL``; what is not
set is started in a container once for a run of the tests, and removed after it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from fw_core.urls import safe_url
from fw_testing.images import POSTGRES_IMAGE, RABBITMQ_IMAGE

START_SECONDS = 120.0
"""How long a container may take to answer; the first start of RabbitMQ is the slow one."""

ANSWER_SECONDS = 10.0
"""How long a server that is said to be there may take to answer."""

_USER = _PASSWORD = "fw-test"


class UnavailableError(Exception):
    """There is no server to test with, for the reason that the text gives."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Servers that answer.

    Attributes:
        broker_url: RabbitMQ, with a user who may use the default vhost.
        management_url: Its management API; empty where there is none.
        database_url: PostgreSQL, with a role who may create databases.
    """

    broker_url: str
    management_url: str
    database_url: str


def find_servers(stack: ExitStack) -> Servers:
    """Find or start the servers; what was started is removed when ``stack`` is closed.

    Raises:
        UnavailableError: one is not there and cannot be started, or does not answer.
    """
    broker_url = os.environ.get("FW_TEST_BROKER_URL", "")
    management_url = os.environ.get("FW_TEST_MANAGEMENT_URL", "")
    database_url = os.environ.get("FW_TEST_DATABASE_URL", "")
    if broker_url:
        _wait("FW_TEST_BROKER_URL", broker_url, _ask_broker, ANSWER_SECONDS)
    if database_url:
        _wait("FW_TEST_DATABASE_URL", database_url, _ask_database, ANSWER_SECONDS)
    if not broker_url:
        broker_url, management_url = _start_rabbitmq(stack)
    if not database_url:
        database_url = _start_postgres(stack)
    return Servers(broker_url, management_url, database_url)


def _start_rabbitmq(stack: ExitStack) -> tuple[str, str]:
    image = os.environ.get("FW_RABBITMQ_IMAGE") or RABBITMQ_IMAGE
    environment = {"RABBITMQ_DEFAULT_USER": _USER, "RABBITMQ_DEFAULT_PASS": _PASSWORD}
    host, ports = _start(stack, image, environment, 5672, 15672)
    broker_url = f"amqp://{_USER}:{_PASSWORD}@{host}:{ports[0]}//"
    management_url = f"http://{_USER}:{_PASSWORD}@{host}:{ports[1]}"
    _wait(image, broker_url, _ask_broker, START_SECONDS)
    _wait(image, management_url, _ask_management, START_SECONDS)
    return broker_url, management_url


def _start_postgres(stack: ExitStack) -> str:
    image = os.environ.get("FW_POSTGRES_IMAGE") or POSTGRES_IMAGE
    environment = {"POSTGRES_USER": _USER, "POSTGRES_PASSWORD": _PASSWORD, "POSTGRES_DB": "fw"}
    host, ports = _start(stack, image, environment, 5432)
    url = f"postgresql://{_USER}:{_PASSWORD}@{host}:{ports[0]}/fw"
    _wait(image, url, _ask_database, START_SECONDS)
    return url


def _start(
    stack: ExitStack, image: str, environment: dict[str, str], *ports: int
) -> tuple[str, list[int]]:
    try:
        # Only here: whoever names servers in the environment needs neither Docker nor this.
        from testcontainers.core.container import DockerContainer
    except ImportError:
        raise UnavailableError(
            "testcontainers is not installed: pip install 'fw-testing[services]', "
            "or set FW_TEST_BROKER_URL and FW_TEST_DATABASE_URL"
        ) from None
    try:
        container: Any = DockerContainer(image, env=environment, ports=list(ports))
        container.start()
    except Exception as error:  # noqa: BLE001 - of Docker, of its client, of the network below it
        raise UnavailableError(
            f"{image} cannot be started by Docker ({_first_line(error)}); start Docker, "
            "or set FW_TEST_BROKER_URL and FW_TEST_DATABASE_URL"
        ) from None
    stack.callback(container.stop)
    host: str = container.get_container_host_ip()
    return host, [int(container.get_exposed_port(port)) for port in ports]


def _wait(what: str, url: str, ask: Callable[[str], None], seconds: float) -> None:
    """Return once the server answers; it may be starting."""
    end = time.monotonic() + seconds
    while True:
        try:
            ask(url)
        except Exception as error:
            if time.monotonic() > end:
                raise UnavailableError(
                    f"{what} does not answer at {safe_url(url)} "
                    f"within {seconds:g} s: {_first_line(error)}"
                ) from error
            time.sleep(0.3)
        else:
            return


def _ask_broker(url: str) -> None:
    from kombu import Connection

    with Connection(url, connect_timeout=2) as connection:
        connection.connect()


def _ask_management(url: str) -> None:
    from fw_testing.management import Management

    Management(url).version()


def _ask_database(url: str) -> None:
    from fw_testing.fresh import administrator

    with administrator(url) as connection:
        connection.exec_driver_sql("SELECT 1")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
