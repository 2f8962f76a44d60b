"""Priorities need a RabbitMQ that has them."""

from __future__ import annotations

import pytest

from fw_core import task_framework
from fw_worker.broker_version import priority_warning


@pytest.fixture
def specs(nested):
    @task_framework(priority=7)
    def urgent() -> None: ...

    @task_framework
    def plain() -> None: ...

    return [urgent.spec, plain.spec]


def test_an_old_broker_is_said_with_the_tasks_that_ask_for_more(specs):
    line = priority_warning("3.10.8", specs)
    assert "RabbitMQ 3.10.8" in line
    assert line.endswith("urgent.")
    assert "plain" not in line


@pytest.mark.parametrize("version", ["4.0.0", "4.1.2", "5", "", "unknown"])
def test_a_newer_or_unknown_broker_is_not(specs, version):
    assert priority_warning(version, specs) is None


def test_without_a_priority_there_is_nothing_to_say(specs):
    assert priority_warning("3.10.8", specs[1:]) is None
