"""The example that fw was asked for runs as its user wrote it: in memory, locally, on servers."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fw_core import TASK_REGISTRY, execute_dynamic_workflow

EXAMPLE = Path(__file__).with_name("example")

PROGRAM = """
from fw_core import execute_dynamic_workflow
from the_seed_example import process_order

process_order.delay(42)
print(execute_dynamic_workflow(["task1", "task2"], "Sample Data").get(timeout=60))
"""


@pytest.fixture
def example(monkeypatch):
    """The example's module; its tasks are forgotten after the test."""
    monkeypatch.syspath_prepend(EXAMPLE)
    with TASK_REGISTRY.scoped():
        yield importlib.import_module("the_seed_example")
    del sys.modules["the_seed_example"]


def test_an_order_that_fails_is_tried_six_times(example, fw_eager, monkeypatch):
    """Up to 5 retries after 3, 9, 27 ... seconds, as the example says."""
    monkeypatch.setattr("random.random", lambda: 0.0)

    example.process_order.delay(42)

    assert [ran.outcome for ran in fw_eager.ran] == ["retry"] * 5 + ["failed"]
    assert fw_eager.waits == [3, 9, 27, 81, 243]
    assert fw_eager.dead[0].error == "Exception: Order processing failed"


def test_an_order_that_succeeds_keeps_no_result(example, fw_broker, monkeypatch):
    """It does not expose results, as the example says."""
    monkeypatch.setattr("random.random", lambda: 1.0)

    result = example.process_order.delay(42)
    ran = fw_broker.run_next()

    assert ran.outcome == "succeeded"
    assert ran.result == "Order 42 processed"
    assert result.state == "PENDING"


def test_the_workflow_gives_the_data_to_task1_and_its_result_to_task2(example, fw_eager):
    """The example's own line."""
    result = execute_dynamic_workflow(["task1", "task2"], "Sample Data")

    assert result.get() == "Task2 result: Task1 result: Sample Data"


def test_the_example_runs_in_a_real_worker_without_any_server(tmp_path):
    """Two processes share files in one directory."""
    environment = {"FW_TASK_MODULES": "the_seed_example", "PYTHONPATH": str(EXAMPLE)}
    with subprocess.Popen(
        [sys.executable, "-m", "fw_worker.cli", "worker", "--pool", "solo"],
        cwd=tmp_path,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    ) as worker:
        try:
            printed = run_program(tmp_path, environment)
        finally:
            worker.terminate()
        log = worker.communicate(timeout=60)[1]

    assert printed == "Task2 result: Task1 result: Sample Data\n"
    assert "the_seed_example.process_order attempt 1 of 6" in log


@pytest.mark.parametrize(
    "broker_scheme,database_scheme",
    [("pyamqp", "db+postgresql"), ("amqp", "postgresql")],
    ids=["the-example-s-urls", "plain-urls"],
)
def test_the_example_runs_on_rabbitmq_and_postgresql(
    fw_services, fw_live_worker, monkeypatch, tmp_path, broker_scheme, database_scheme
):
    """With URLs as the example writes them: ``pyamqp://…`` and ``db+postgresql://…``."""
    monkeypatch.syspath_prepend(EXAMPLE)
    environment = {
        "FW_BROKER_URL": with_scheme(fw_services.broker_url, broker_scheme),
        "FW_DATABASE_URL": with_scheme(fw_services.database_url, database_scheme),
        "FW_PREFIX": fw_services.settings.prefix,
        "FW_TASK_MODULES": "the_seed_example",
        "PYTHONPATH": str(EXAMPLE),
    }
    worker = fw_live_worker("the_seed_example", env=environment)

    assert run_program(tmp_path, environment) == "Task2 result: Task1 result: Sample Data\n"
    worker.wait_for_log("the_seed_example.process_order attempt 1 of 6")


def run_program(directory, environment):
    """What the team's own program prints; it is another process than the worker."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def with_scheme(url, scheme):
    """The same URL under another of its scheme's names."""
    return f"{scheme}://{url.partition('://')[2]}"
