"""In a test a wait is what the policy states."""

from __future__ import annotations

from fw_core import task_framework
from fw_testing import FakeBroker, fault


def test_a_retry_is_due_when_the_policy_states_it(fw_broker: FakeBroker) -> None:
    """A junior advances by what is written in the decorator, and it runs, each time."""

    @task_framework(retries=3, backoff=2, jitter=1)
    def fails() -> None:
        raise ConnectionError

    fails.delay()
    for wait in (0, 2, 4, 8):
        fw_broker.advance(wait)
        assert fw_broker.run_next() is not None


def test_a_process_that_died_is_tried_again_when_the_policy_states_it(
    fw_broker: FakeBroker,
) -> None:
    """It is decided elsewhere: in the worker's main process."""

    @task_framework(retries=1, backoff=2, jitter=1)
    def work() -> None: ...

    with fault("crash_before_run"):
        work.delay()
        fw_broker.drain()
    fw_broker.advance(2)
    assert fw_broker.run_next() is not None
