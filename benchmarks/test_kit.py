"""What a test with fw-testing costs, beside Celery's eager mode and celery.contrib.pytest.

    python benchmarks/test_kit.py                 # some minutes
    python benchmarks/test_kit.py --rounds 1 --tests 300

Each number is the median of several runs of pytest in a process of its own, taken in turns. It
prints, for a typical test (set-up of the fixture, one task that succeeds at its third attempt, the
asserts, tear-down): the median and the p95 after the first, in wall time, and the median of CPU
time, which a busy machine bends less; for many tests of one task each: the whole run; and what the
plugin adds to a suite that does not use it. Celery's eager mode writes no message, waits for
nothing and keeps no result: it is the lower end of what a test of a task can cost. celery_worker
is a real worker in a thread on a broker in memory, whose retries have to wait no time here.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Notes each test's whole time: its set-up, its body, its tear-down.
CONFTEST = """
import json, os, time
import pytest

times = []

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        return (yield)
    finally:
        times.append((time.perf_counter() - wall, time.process_time() - cpu))

def pytest_sessionfinish():
    with open("times.json", "w") as file:
        json.dump(times, file)
"""

FW = """
import pytest
from fw_core import task_framework

@pytest.mark.parametrize("number", range({tests}))
def test_typical(fw_eager, number):
    attempts = []

    @task_framework(retries=2, backoff=3)
    def process_order(order_id: int) -> str:
        attempts.append(order_id)
        if len(attempts) < 3:
            raise ConnectionError
        return f"Order {{order_id}} processed"

    assert process_order.delay(number).get() == f"Order {{number}} processed"
    assert fw_eager.waits == [3, 9]
    assert len(attempts) == 3
"""

FW_ONE = """
import pytest
from fw_core import task_framework

@task_framework
def process_order(order_id: int) -> str:
    return f"Order {{order_id}} processed"

@pytest.mark.parametrize("number", range({tests}))
def test_one(fw_eager, number):
    assert process_order.delay(number).get() == f"Order {{number}} processed"
"""

EAGER = """
import pytest
from celery import Celery

@pytest.fixture
def app():
    app = Celery("eager", broker="memory://", set_as_current=False)
    app.conf.update(task_always_eager=True, task_store_eager_result=False)
    yield app
    app.close()

@pytest.mark.parametrize("number", range({tests}))
def test_typical(app, number):
    attempts = []

    @app.task(bind=True, max_retries=2, shared=False, name=f"eager.{{number}}")
    def process_order(self, order_id):
        attempts.append(order_id)
        if len(attempts) < {attempts}:
            raise self.retry(exc=ConnectionError(), countdown=3 ** len(attempts))
        return f"Order {{order_id}} processed"

    assert process_order.delay(number).get() == f"Order {{number}} processed"
    assert len(attempts) == {attempts}
"""

WORKER = """
import pytest

pytest_plugins = ["celery.contrib.pytest"]

@pytest.fixture(scope="session")
def celery_config():
    return {{"broker_url": "memory://", "result_backend": "cache+memory://"}}

@pytest.mark.parametrize("number", range({tests}))
def test_typical(celery_app, celery_worker, number):
    attempts = []

    @celery_app.task(bind=True, max_retries=2, shared=False, name=f"worker.{{number}}")
    def process_order(self, order_id):
        attempts.append(order_id)
        if len(attempts) < {attempts}:
            raise self.retry(exc=ConnectionError(), countdown=0)
        return f"Order {{order_id}} processed"

    celery_worker.reload()
    assert process_order.delay(number).get(timeout=60) == f"Order {{number}} processed"
    assert len(attempts) == {attempts}
"""

NOTHING = """
import pytest

@pytest.mark.parametrize("number", range(20))
def test_nothing(number):
    assert number == number
"""


class Suite:
    """A suite, and what its runs took."""

    def __init__(self, name: str, program: str, *options: str, **values: int) -> None:
        self.name = name
        self._program = program.format(**values) if values else program
        self._options = options
        self.whole: list[float] = []
        self.whole_cpu: list[float] = []
        self.first: list[float] = []
        self.median: list[float] = []
        self.p95: list[float] = []
        self.cpu: list[float] = []

    def run(self) -> None:
        """Run it once, in a process and a directory of its own."""
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "conftest.py").write_text(CONFTEST)
            Path(directory, "test_suite.py").write_text(self._program)
            Path(directory, "pytest.ini").write_text("[pytest]\n")
            started, cpu = time.perf_counter(), children_cpu()
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                 "-p", "no:randomly", "-p", "no:warnings", *self._options],
                cwd=directory, capture_output=True, text=True, check=False,
                env={k: v for k, v in os.environ.items() if not k.startswith("FW_")},
            )  # fmt: skip
            self.whole.append(time.perf_counter() - started)
            self.whole_cpu.append(children_cpu() - cpu)
            if done.returncode:
                sys.exit(f"{self.name}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
            (first, _), *rest = json.loads(Path(directory, "times.json").read_text())
        walls = sorted(wall for wall, _ in rest)
        self.first.append(first)
        self.median.append(statistics.median(walls))
        self.p95.append(walls[int(len(walls) * 0.95)])
        self.cpu.append(statistics.median(cpu for _, cpu in rest))


def children_cpu() -> float:
    """Seconds of CPU that the processes that have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run all suites in turns and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="runs of each suite (default 5)")
    parser.add_argument("--tests", type=int, default=1000, help="tests of one task (default 1000)")
    options = parser.parse_args()
    few = 5  # starting and stopping a worker takes seconds
    typical = [
        Suite("fw_eager", FW, tests=200),
        Suite("Celery's eager mode", EAGER, tests=200, attempts=3),
        Suite("celery_worker", WORKER, tests=few, attempts=3),
    ]
    many = [
        Suite("fw_eager", FW_ONE, tests=options.tests),
        Suite("Celery's eager mode", EAGER, tests=options.tests, attempts=1),
        Suite("celery_worker", WORKER, tests=few, attempts=1),
    ]
    unused = [
        Suite("with the plugin", NOTHING),
        Suite("without it", NOTHING, "-p", "no:fw_testing"),
    ]
    for number in range(options.rounds):
        order = [*typical, *many] if number % 2 == 0 else [*many, *typical]
        for suite in order:
            suite.run()
    for number in range(4 * options.rounds):
        for suite in unused if number % 2 == 0 else reversed(unused):
            suite.run()
    show("a typical test: one task, two retries", typical)
    show("a test of one task", many)
    whole, _, worker = (statistics.median(suite.whole) for suite in many)
    print(f"\n{options.tests} tests of one task in one process: {whole:.1f} s with fw_eager")
    print(f"({few} of them take {worker:.1f} s with celery_worker)")
    wall, cpu = (
        1e3 * statistics.median(one - other for one, other in zip(*pair, strict=True))
        for pair in zip(*((suite.whole, suite.whole_cpu) for suite in unused), strict=True)
    )
    print(f"\nthe plugin in a suite that does not use it: {wall:+.0f} ms ({cpu:+.0f} ms of CPU)")


def show(title: str, suites: list[Suite]) -> None:
    """Print a table in milliseconds, and ratios to the first."""
    print(f"\n{title:38}{'first':>9}{'median':>9}{'p95':>9}{'CPU':>9}{'median is':>13}")
    base = statistics.median(suites[0].median)
    for suite in suites:
        values = [statistics.median(v) for v in (suite.first, suite.median, suite.p95, suite.cpu)]
        cells = "".join(f"{1e3 * value:9.1f}" for value in values)
        print(f"  {suite.name:36}{cells}{statistics.median(suite.median) / base:12.2f}x")


if __name__ == "__main__":
    main()
