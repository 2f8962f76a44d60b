"""``fw worker`` and its companions on the local transport: real processes, no server."""

from __future__ import annotations

import json
import signal

import pytest


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_every_line_of_a_task_has_its_id_and_an_attempt_is_one_line(place, pool):
    """In every pool, for def and async def; no argument and no result in any of them."""
    worker = place.start("worker", "--pool", pool, "--concurrency", "2", FW_LOG_FORMAT="json")
    worker.ready()
    for task in ("team.greet", "team.greet_async"):
        sent = json.loads(place.run("send", task, "Geheim", "--wait", "--json").stdout)
        assert sent["result"] == "Hello Geheim"
        lines = [json.loads(line) for line in worker.log.splitlines()]
        own, attempt = [line for line in lines if line.get("task_id") == sent["id"]]
        assert (own["message"], own["task"], own["attempt"]) == ("greeting somebody", task, 1)
        assert attempt["outcome"] == "succeeded"
    assert worker.stop() == 0
    assert "Geheim" not in worker.log


def test_a_worker_says_where_it_takes_messages_from_and_no_word_of_celery(place):
    worker = place.start("worker", "--concurrency", "1").ready()
    assert worker.stop() == 0
    assert "broker   local:///" in worker.log
    assert "tasks    6 tasks from team" in worker.log
    assert "Note: no server: messages and results are kept in files" in worker.log
    for word in ("celery", "Celery", "ForkPool", "superuser", "Warning"):
        assert word not in worker.log


def test_json_is_one_document_on_standard_output(place):
    """The log goes to standard error. Whoever reads the document can stop the worker at once."""
    import subprocess
    import sys

    with subprocess.Popen(
        [sys.executable, "-m", "fw_worker.cli", "worker", "--pool", "solo", "--json"],
        cwd=place.path,
        env=place.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as worker:
        try:
            document = json.loads(worker.stdout.readline())
        finally:
            worker.terminate()
        rest, _ = worker.communicate(timeout=60)
    assert document["queues"] == ["default"]
    assert document["pool"] == "solo"
    assert "team.greet" in document["tasks"]
    assert rest == ""
    assert worker.returncode == 0


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl+C"])
def test_a_worker_that_is_told_to_stop_finishes_what_it_runs(place, pool, how):
    """Exit code 0, and the result is there."""
    place.add(
        """
@task_framework
def rests_until_told() -> str:
    log.info("asleep")
    while not os.path.exists("wake"):
        time.sleep(0.01)
    return "rested"
"""
    )
    worker = place.start("worker", "--pool", pool, "--concurrency", "1").ready()
    sent = place.run("send", "team.rests_until_told").stdout.strip()
    worker.wait_for("asleep")
    worker.process.send_signal(how)
    worker.wait_for("1 attempt still running")
    place.path.joinpath("wake").touch()
    assert worker.process.wait(60) == 0
    assert json.loads(place.run("result", sent, "--json").stdout)["result"] == "rested"


def test_a_process_that_is_killed_is_said_in_plain_words(place):
    place.write(
        "import os\nfrom fw_core import task_framework\n"
        "@task_framework(retries=0)\ndef dies():\n    os.kill(os.getpid(), 9)\n"
    )
    worker = place.start("worker", "--concurrency", "1").ready()
    place.run("send", "team.dies", "--wait", code=1)
    worker.wait_for("which runs tasks, was killed by SIGKILL; another one takes its place")
    assert "ForkPool" not in worker.log


def test_a_failed_task_is_shown_with_its_error_and_exit_code_1(place):
    place.start("worker", "--pool", "solo").ready()
    failed = place.run("send", "team.fails", "geheim", "--wait", "--json", code=1)
    facts = json.loads(failed.stdout)
    assert facts["state"] == "FAILURE"
    assert facts["attempts"] == 2
    assert facts["error"] == {"type": "ValueError", "message": "no such order"}
    assert "ran 2 times and failed: ValueError: no such order" in failed.stderr
    again = place.run("result", facts["id"], code=1)
    assert 'raise ValueError("no such order")' in again.stdout


def test_a_workflow_gives_each_result_to_the_next_task(place):
    place.start("worker", "--pool", "solo").ready()
    done = place.run("workflow", "run", "task1", "task2", "--data", "Sample Data", "--wait")
    assert done.stdout == "Task2 result: Task1 result: Sample Data\n"


def test_two_workers_share_the_files(place):
    """Each has a name of its own, so that neither takes the other's place."""
    first = place.start("worker", "--pool", "solo").ready()
    second = place.start("worker", "--pool", "solo").ready()
    sent = place.run("send", "team.greet", "Ada", "--wait")
    assert sent.stdout == "Hello Ada\n"
    assert first.stop() == 0
    assert second.stop() == 0
    assert "WARNING" not in first.log + second.log


def test_a_worker_without_its_module_ends_with_2_and_says_which(place):
    done = place.run("worker", code=2, FW_TASK_MODULES="team,tema")
    assert "The task module 'tema' cannot be imported" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_plain_celery_command_speaks_the_same_words(place):
    """``celery -A fw_worker.app worker``: Celery's own banner, fw's lines."""
    import subprocess
    import sys

    with subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "fw_worker.app", "worker", "--pool", "solo"],
        cwd=place.path,
        env=place.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as worker:
        try:
            place.run("send", "team.greet", "Ada", "--wait")
        finally:
            worker.terminate()
        log = worker.communicate(timeout=60)[1]
    assert "Ready: waiting for messages" in log
    assert "team.greet attempt 1 of 2 succeeded" in log
