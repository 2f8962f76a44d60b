"""Tasks on a real worker, with real RabbitMQ and PostgreSQL."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from celery import chain, chord, group
from live_tasks import (
    adds,
    always_fails,
    day_of,
    doubles,
    fails,
    notes_and_waits,
    started_at,
    step_double,
    sums,
)

from fw_core import TaskFailed, execute_dynamic_workflow
from fw_testing.services import Services, StartWorker


def test_a_running_task_survives_the_kill_of_its_worker(
    fw_services: Services, fw_live_worker: StartWorker, tmp_path: Path
) -> None:
    """The message was not acknowledged, so another worker runs it, told that it is redelivered."""
    runs = tmp_path / "runs"
    first = fw_live_worker("live_tasks")
    result = notes_and_waits.delay(str(runs))
    deadline = time.monotonic() + 20
    while not (runs.exists() and runs.read_text()):
        assert time.monotonic() < deadline, first.log
    first.kill()
    fw_live_worker("live_tasks")
    assert result.get(timeout=30) == "done"
    assert runs.read_text() == "1 False\n1 True\n"


def test_canvas_runs_from_handles(fw_services: Services, fw_live_worker: StartWorker) -> None:
    """Celery's chain, group and chord, on one worker."""
    fw_live_worker("live_tasks", concurrency=2)
    app = fw_services.app
    chained = chain(step_double.s(4), adds.s(1), app=app)()
    grouped = group([doubles.s(n) for n in range(5)], app=app)()
    joined = chord([adds.s(n, n) for n in range(10)], app=app)(sums.s())
    assert chained.get(timeout=20) == 9
    assert grouped.get(timeout=20) == [0, 2, 4, 6, 8]
    assert sums.result(joined.id).get(timeout=20) == 90


def test_a_workflow_by_name_hands_each_result_on(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """The data goes to the first step, each result to the next."""
    fw_live_worker("live_tasks")
    assert execute_dynamic_workflow(["step.double", "step.text"], 4).get(timeout=20) == "result 8"


def test_a_workflow_whose_step_fails_ends_with_that_failure(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """Nobody waits for a step that will never run."""
    fw_live_worker("live_tasks")
    names = ["step.double", "live_tasks.always_fails", "step.text"]
    with pytest.raises(TaskFailed, match="ValueError: no 8"):
        execute_dynamic_workflow(names, 4).get(timeout=20)
    with pytest.raises(TaskFailed, match="ValueError: no 1"):
        always_fails.delay(1).get(timeout=20)


def test_celerys_own_form_of_a_call_works(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """Also with a countdown below a second, which plain Celery refuses on quorum queues."""
    fw_live_worker("live_tasks")
    due = time.time() + 0.5
    assert started_at.apply_async(countdown=0.5).get(timeout=20) >= due - 0.01
    sent = fw_services.app.send_task("live_tasks.adds", (1, 2))
    assert sent.get(timeout=20) == 3


def test_arguments_arrive_as_the_types_they_were_sent_with(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """A datetime travels as text and comes back as a datetime."""
    from datetime import UTC, datetime

    fw_live_worker("live_tasks")
    assert day_of.delay(datetime(2026, 1, 1, tzinfo=UTC)).get(timeout=20) == "Thursday"


def test_operators_tools_show_real_names(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """What ``celery inspect registered`` and Flower ask a worker for."""
    fw_live_worker("live_tasks")
    [registered] = fw_services.app.control.inspect(timeout=5).registered().values()
    assert "live_tasks.fails" in registered
    assert "step.double" in registered
    assert fails.delay(1).get(timeout=20) == 2
