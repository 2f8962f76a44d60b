"""``fw_live_worker``: a real worker process on the test's services."""

import importlib
import signal
import subprocess
import sys

import pytest
from collected import wait_until

pytest_plugins = ["pytester"]

ORDERS = """
import os
from fw_core import task_framework

@task_framework(name="live.process_order")
def process_order(order_id: int) -> str:
    return f"Order {order_id} processed in {os.environ.get('SHOP', 'the shop')}"

@task_framework(name="live.bulk", queue="bulk")
def bulk(number: int) -> int:
    return number * 2
"""


@pytest.fixture
def orders(tmp_path, monkeypatch):
    """A team's module, which the worker imports by the same name."""
    (tmp_path / "live_orders.py").write_text(ORDERS)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("live_orders", None)
    from fw_core import TASK_REGISTRY

    with TASK_REGISTRY.scoped():
        yield importlib.import_module("live_orders")
    sys.modules.pop("live_orders", None)


def test_a_call_is_run_by_a_real_worker(fw_live_worker, orders):
    """Sent by the test, run in another process, read by the test."""
    fw_live_worker("live_orders")

    assert orders.process_order.delay(7).get(timeout=30) == "Order 7 processed in the shop"


def test_the_environment_of_a_worker_can_be_set(fw_live_worker, orders):
    """What a deployment would set."""
    fw_live_worker("live_orders", env={"SHOP": "Berlin"})

    assert orders.process_order.delay(7).get(timeout=30) == "Order 7 processed in Berlin"


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_worker_takes_only_its_queues(fw_live_worker, fw_services, orders, pool):
    """Queues that it was not given wait for another worker."""
    fw_live_worker("live_orders", queues=["bulk"], pool=pool)

    orders.process_order.delay(7)

    assert orders.bulk.delay(21).get(timeout=30) == 42
    assert fw_services.count("default") == 1


def test_a_stopped_worker_ends_with_0(fw_live_worker, orders):
    """SIGTERM: it finishes what it runs, then ends."""
    worker = fw_live_worker("live_orders")

    assert worker.stop() == 0


def test_a_killed_worker_takes_its_children_along(fw_live_worker, orders):
    """As a machine that fails: nothing of it goes on."""
    worker = fw_live_worker("live_orders", concurrency=2)

    worker.kill()

    assert worker.process.returncode == -signal.SIGKILL
    wait_until(lambda: not is_running(worker.pid), lambda: "a process of it goes on")


def is_running(group: int) -> bool:
    """Whether a process of the group still works; a dead one may wait for its funeral."""
    found = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True)
    states = [line.split() for line in found.stdout.splitlines()]
    return any(int(of) == group and not state.startswith("Z") for of, state in states)


def test_a_worker_that_cannot_start_shows_its_log(fw_live_worker):
    """The reason is in the failure, not in a file that is gone."""
    from fw_testing.live_worker import WorkerNotReady

    with pytest.raises(WorkerNotReady, match="no_such_module"):
        fw_live_worker("no_such_module")


def test_the_log_stands_in_the_report_of_a_failed_test(pytester, monkeypatch, fw_services):
    """A failure in another process is explained by what that process wrote."""
    monkeypatch.setenv("FW_TEST_BROKER_URL", fw_services.settings.broker_url)
    monkeypatch.setenv("FW_TEST_DATABASE_URL", fw_services.settings.database_url)
    monkeypatch.delenv("FW_TEST_MANAGEMENT_URL", raising=False)
    pytester.makepyfile(
        """
        def test_fails(fw_live_worker):
            fw_live_worker("json")
            assert False
        """
    )

    result = pytester.runpytest_subprocess()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*--- log of worker 1 ---*", "* Ready: *"])
