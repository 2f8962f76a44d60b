"""The pytest plugin: fixtures that need no import. None is active unless a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from fw_testing.services import (
    fw_live_worker,
    fw_services,
    pytest_configure,
    pytest_itemcollected,
)

if TYPE_CHECKING:
    from fw_testing.clock import VirtualClock
    from fw_testing.eager_mode import Eager
    from fw_testing.fake import FakeBroker

__all__ = [
    "fw_broker",
    "fw_clock",
    "fw_eager",
    "fw_live_worker",
    "fw_services",
    "pytest_configure",
    "pytest_itemcollected",
]


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
