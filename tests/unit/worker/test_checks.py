"""What must hold before a worker takes its first message."""

from __future__ import annotations

import pytest

from fw_core import SettingsError, task_framework
from fw_core.declare.registry import TaskRegistry
from fw_core.errors import RulesError
from fw_core.settings import read_settings
from fw_worker.app import create_app
from fw_worker.checks import check_workflows


def worker(*handles, broker_url: str = "amqp://guest:secret@localhost//", **settings):
    registry = TaskRegistry()
    for handle in handles:
        registry.add(handle)
    return create_app(
        read_settings(broker_url=broker_url, task_modules=(), **settings),
        registry,
        result_backend=lambda app: None,
    )


@pytest.fixture
def lasting(declaring):
    """A task whose attempts may last this many seconds."""

    def make(seconds: float):
        @task_framework(name=f"lasts.{seconds:g}", timeout=seconds)
        def work() -> None: ...

        return work

    return make


def test_a_task_that_outlasts_the_brokers_patience_is_refused(lasting):
    """RabbitMQ would give its message to another worker while the first still runs it."""
    with pytest.raises(SettingsError) as caught:
        worker(lasting(1800))

    assert caught.value.what.startswith("lasts.1800 (")
    assert "test_checks.py:" in caught.value.what
    assert caught.value.what.endswith("has a timeout of 1800 s; the broker waits 1800 s.")
    assert caught.value.fix == (
        "consumer_timeout = 2420000 in rabbitmq.conf and FW_BROKER_CONSUMER_TIMEOUT=2420, "
        "or a shorter timeout."
    )


@pytest.mark.parametrize(("seconds", "fits"), [(1779, True), (1780, False), (300, True)])
def test_the_time_to_clean_up_counts_too(lasting, seconds, fits):
    if fits:
        worker(lasting(seconds))
    else:
        with pytest.raises(SettingsError):
            worker(lasting(seconds))


def test_a_broker_with_more_patience_takes_longer_tasks(lasting):
    worker(lasting(1800), broker_consumer_timeout=2410)


def test_what_the_message_says_to_set_is_enough(lasting):
    task = lasting(10_000)
    with pytest.raises(SettingsError) as caught:
        worker(task)

    needed = caught.value.fix.partition("FW_BROKER_CONSUMER_TIMEOUT=")[2].partition(",")[0]
    worker(task, broker_consumer_timeout=float(needed))


def test_one_of_many_is_enough_to_refuse(lasting):
    with pytest.raises(SettingsError, match=r"lasts\.5000"):
        worker(lasting(1), lasting(5000), lasting(2))


def test_the_local_transport_waits_as_long_as_it_takes(lasting, tmp_path):
    worker(lasting(100_000), broker_url=f"local://{tmp_path / 'broker.db'}")


@pytest.mark.parametrize(
    ("seconds", "fetched"), [(300, 4), (430, 4), (431, 3), (600, 2), (1700, 1)]
)
def test_what_is_fetched_together_has_run_before_the_brokers_patience_ends(
    lasting, seconds, fetched
):
    """Its clock runs from the delivery, also of a message that waits behind others."""
    app = worker(lasting(seconds))

    assert app.conf.worker_prefetch_multiplier == fetched
    assert fetched * (seconds + 20) <= 1800


# Workflows that are started by a message


@pytest.fixture
def counting(declaring):
    """Two tasks that fit together one way round."""

    @task_framework(name="words")
    def words(text: str) -> list[str]:
        return text.split()

    @task_framework(name="total")
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    return words, total


def test_a_rule_whose_plan_could_never_run_stops_the_workers_start(counting):
    """Whatever comes as its data, which is not known yet."""
    rules = (
        '[{"if": {"field": "kind", "equals": 1}, "workflow": "words"},'
        ' {"if": {"field": "kind", "equals": 2}, "workflow": ["wrds", "total"]},'
        ' {"workflow": {"task": "total", "queue": "blk", "args": {"by": 1}}}]'
    )
    with pytest.raises(RulesError) as caught:
        check_workflows(worker(*counting, workflow_rules=rules))
    said = [str(problem) for problem in caught.value.problems]
    assert said[0].startswith("rules[1].workflow.steps[0]: No task is named 'wrds'")
    assert {each.partition(":")[0] for each in said[1:]} == {"rules[2].workflow"}
    assert "'blk'" in caught.value.what
    assert "'by'" in caught.value.what


def test_a_good_rule_starts_the_worker(counting):
    rules = '[{"workflow": ["words", {"each": "words"}]}]'
    check_workflows(worker(*counting, workflow_rules=rules))


@pytest.mark.parametrize("queue", ["default", "fw.dead", "fw.outcomes", "fw.wait.100"])
def test_the_queue_of_workflows_is_its_own(counting, queue):
    with pytest.raises(SettingsError, match="holds something else already"):
        check_workflows(worker(*counting, workflow_queue=queue))
