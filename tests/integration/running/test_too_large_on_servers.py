"""What RabbitMQ never takes: the step before it has succeeded, and nobody waits for ever."""

from __future__ import annotations

import pytest
from celery import chain, chord
from collected import wait_until
from live_tasks import counts, large

from fw_core import TaskFailed
from fw_testing.services import Services, StartWorker

MIB = 1024 * 1024


@pytest.fixture
def too_much(fw_services: Services) -> int:
    """What is above the broker's limit: 16 MiB by default, 128 MiB before RabbitMQ 4."""
    with fw_services.app.connection_for_read() as connection:
        connection.connect()
        version = connection.connection.server_properties["version"]
    if int(version.partition(".")[0]) < 4:
        pytest.skip(f"RabbitMQ {version} takes 128 MiB")
    return 17 * MIB


def test_a_step_above_the_brokers_limit_fails_and_its_predecessor_is_acknowledged(
    fw_services: Services, fw_live_worker: StartWorker, too_much: int
) -> None:
    worker = fw_live_worker("live_tasks")
    last = chain(large.s(too_much), counts.s(), large.s(), app=fw_services.app)()
    step = counts.result(last.parent.id)
    with pytest.raises(TaskFailed, match="is larger than configured max size"):
        step.get(timeout=60)
    assert step.error is not None
    assert step.error.type == "fw_core.NeverSent"
    assert "Fix: store the data and send where it is" in step.error.message
    assert large.result(last.parent.parent.id).state == "SUCCESS"
    assert large.result(last.id).state == "FAILURE"
    wait_until(lambda: fw_services.count("default") == 0, lambda: worker.log, 20)
    assert counts.delay("abc").get(timeout=30) == 3
    assert worker.log.count("is never sent") == 1


def test_a_join_above_the_brokers_limit_fails(
    fw_services: Services, fw_live_worker: StartWorker, too_much: int
) -> None:
    """None of the results is too large; all of them together are."""
    fw_live_worker("live_tasks")
    joined = chord([large.s(too_much // 2), large.s(too_much // 2)], app=fw_services.app)
    result = joined(counts.s())
    with pytest.raises(TaskFailed, match="is larger than configured max size"):
        counts.result(result.id).get(timeout=60)
    assert counts.delay("abc").get(timeout=30) == 3


def test_results_that_are_above_the_limit_of_a_call_only_together_are_joined(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """Their tasks are done: that no call may carry so much is for those who call."""
    fw_live_worker("live_tasks")
    each = fw_services.app.settings.message_limit * 2 // 3
    joined = chord([large.s(each), large.s(each)], app=fw_services.app)
    result = joined(counts.s())
    assert counts.result(result.id).get(timeout=60) == 2
