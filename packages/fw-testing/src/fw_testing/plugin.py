"""The pytest plugin: fixtures that need no import. None is active unless a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from fw_testing.faults import marker
from fw_testing.faults.marker import fw_fault
from fw_testing.services import fw_live_worker, fw_services, mark_services

if TYPE_CHECKING:
    from fw_testing.clock import VirtualClock
    from fw_testing.eager_mode import Eager
    from fw_testing.fake import FakeBroker

__all__ = [
    "fw_broker",
    "fw_clock",
    "fw_eager",
    "fw_fault",
    "fw_live_worker",
    "fw_services",
    "pytest_configure",
    "pytest_itemcollected",
]


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known."""
    config.pluginmanager.register(marker, "fw_testing_faults")
    for line in (
        "fw_services: needs real RabbitMQ and PostgreSQL; set by the fixture itself.",
        "faults(*names, lasting=False): runs the test once under each fault of production.",
    ):
        config.addinivalue_line("markers", line)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what needs the servers, so that ``-m fw_services`` chooses it."""
    mark_services(item)


@pytest.fixture
def fw_eager() -> Iterator[Eager]:
    """Calls run at once through the real path; retries run in virtual time."""
    from fw_testing.eager_mode import eager

    with eager() as mode:
        yield mode


@pytest.fixture
def fw_broker() -> Iterator[FakeBroker]:
    """Calls wait until the test runs them: run_next(), drain(), advance(seconds)."""
    from fw_testing.fake import fake_broker

    with fake_broker() as broker:
        yield broker


@pytest.fixture
def fw_clock(request: pytest.FixtureRequest) -> VirtualClock:
    """The virtual clock of the test's ``fw_broker`` or ``fw_eager``."""
    name = "fw_eager" if "fw_eager" in request.fixturenames else "fw_broker"
    clock: VirtualClock = request.getfixturevalue(name).clock
    return clock
