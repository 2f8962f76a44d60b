"""A broker that is short of memory takes no messages: the caller hears so, and goes on after it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from live_tasks import in_bulk

from fw_core import SendError, client
from fw_core.broker.app import create_app
from fw_core.declare.registry import TASK_REGISTRY
from fw_core.settings import read_settings
from fw_testing import servers

pytestmark = pytest.mark.fw_services


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[Any]:
    """A broker of its own: an alarm stops every sender."""
    containers = pytest.importorskip("testcontainers.core.container")
    image = os.environ.get("FW_RABBITMQ_IMAGE") or servers.RABBITMQ_IMAGE
    environment = {"RABBITMQ_DEFAULT_USER": "fw", "RABBITMQ_DEFAULT_PASS": "fw"}
    container = containers.DockerContainer(image, env=environment, ports=[5672])
    with ExitStack() as stack:
        try:
            container.start()
        except Exception as error:
            if os.environ.get("FW_REQUIRE_SERVICES") == "1":
                raise
            pytest.skip(f"needs Docker to start a broker of its own: {error}")
        stack.callback(container.stop)
        container.url = (
            f"amqp://fw:fw@{container.get_container_host_ip()}:{container.get_exposed_port(5672)}//"
        )
        servers._wait(image, container.url, servers._ask_broker, servers.START_SECONDS)
        yield container


@pytest.fixture
def url(rabbitmq: Any) -> str:
    return str(rabbitmq.url)


@contextmanager
def alarm(rabbitmq: Any) -> Iterator[None]:
    """A memory alarm."""
    _control(rabbitmq, "set_vm_memory_high_watermark", "0")
    try:
        yield
    finally:
        _control(rabbitmq, "set_vm_memory_high_watermark", "0.6")


def _control(rabbitmq: Any, *arguments: str) -> None:
    done = rabbitmq.exec(["rabbitmqctl", *arguments])
    assert done.exit_code == 0, done.output


CALLS: dict[str, Callable[[], Any]] = {
    "delay": in_bulk.delay,
    "delay_many": lambda: in_bulk.delay_many([() for _ in range(700)]),
    "delayed": lambda: in_bulk.options(delay=60).delay(),
}


@pytest.mark.parametrize("first", ["a fresh connection", "a used connection"])
@pytest.mark.parametrize("call", list(CALLS))
def test_a_call_during_an_alarm_ends_in_time_and_the_next_one_works(
    rabbitmq: Any, url: str, call: str, first: str
) -> None:
    """A blocked connection confirms nothing; when the alarm is over, nothing is left of it."""
    app = create_app(
        read_settings(broker_url=url, database_url="sqlite://", task_modules=()), TASK_REGISTRY
    )
    try:
        with client.using(app):
            if first == "a used connection":
                CALLS[call]()
            with alarm(rabbitmq):
                for _ in range(2):
                    started = time.monotonic()
                    with pytest.raises(SendError):
                        CALLS[call]()
                    assert time.monotonic() - started < 5.5
            CALLS[call]()
    finally:
        app.amqp.close_connections()
        app.close()
