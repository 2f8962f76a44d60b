"""The pytest plugin: fixtures that need no import. None is active unless a test asks for it.

It is loaded in every run of pytest where it is installed, so it loads nothing itself: no Celery,
nothing of fw-core.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from fw_testing import fault_mark
from fw_testing.guard import REAL, Guard
from fw_testing.header import pytest_report_header
from fw_testing.services import fw_live_worker, fw_services, pytest_itemcollected

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
    "pytest_addoption",
    "pytest_configure",
    "pytest_itemcollected",
    "pytest_report_header",
]

MARKS = {
    "fw_services": "needs real RabbitMQ and PostgreSQL; set by the fixture itself.",
    "fw_real": "talks on purpose to the servers that FW_BROKER_URL and FW_DATABASE_URL name.",
    "faults(*names, lasting=False)": "runs the test once under each fault of production.",
    "fw_clock(start=None, move_datetime=False, move_sleep=False)": "where the virtual clock "
    "starts, whether datetime.now() follows it, whether a sleeping task moves it.",
}


@pytest.fixture
def fw_eager(request: pytest.FixtureRequest) -> Iterator[Eager]:
    """Calls run at once through the real path; retries run in virtual time."""
    _refuse_both(request)
    from fw_testing.eager_mode import eager

    with eager(**_clock_options(request)) as mode:
        yield mode


@pytest.fixture
def fw_broker(request: pytest.FixtureRequest) -> Iterator[FakeBroker]:
    """Calls wait until the test runs them: run_next(), drain(), advance(seconds)."""
    _refuse_both(request)
    from fw_testing.fake import fake_broker

    with fake_broker(**_clock_options(request)) as broker:
        yield broker


@pytest.fixture
def fw_clock(request: pytest.FixtureRequest) -> VirtualClock:
    """The virtual clock of the test's ``fw_broker`` or ``fw_eager``."""
    name = "fw_eager" if "fw_eager" in request.fixturenames else "fw_broker"
    clock: VirtualClock = request.getfixturevalue(name).clock
    return clock


def pytest_addoption(parser: pytest.Parser) -> None:
    """Make the suite's setting known."""
    parser.addini(
        REAL,
        "fw: the whole suite talks on purpose to the servers that FW_BROKER_URL and "
        "FW_DATABASE_URL name, also without fw_services.",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known, and let nothing be sent by a test that asked for no fake."""
    for mark, meaning in MARKS.items():
        config.addinivalue_line("markers", f"{mark}: {meaning}")
    config.pluginmanager.register(fault_mark, "fw_faults")
    guard = Guard(config)
    config.pluginmanager.register(guard, "fw_guard")
    stack = ExitStack()
    stack.enter_context(guard.standing())
    config.add_cleanup(stack.close)


def _refuse_both(request: pytest.FixtureRequest) -> None:
    if {"fw_eager", "fw_broker"} <= set(request.fixturenames):
        pytest.fail(
            "This test asks for fw_eager and for fw_broker: one runs a call at once, with the "
            "other it waits.\nFix: keep one of them.",
            pytrace=False,
        )


def _clock_options(request: pytest.FixtureRequest) -> dict[str, Any]:
    mark = request.node.get_closest_marker("fw_clock")
    if mark is None:
        return {}
    known = {"start", "move_datetime", "move_sleep"}
    unknown = [repr(arg) for arg in mark.args] + sorted(mark.kwargs.keys() - known)
    if unknown:
        from fw_testing.errors import ClockMark

        raise ClockMark(
            f"@pytest.mark.fw_clock does not know {', '.join(unknown)}.",
            "It says where the virtual clock starts, and what follows it.",
            '@pytest.mark.fw_clock(start="2026-03-29 01:30Z", move_datetime=True, move_sleep=True)',
        )
    return dict(mark.kwargs)
