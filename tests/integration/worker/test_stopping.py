"""How a worker ends: in time, with exit code 0; what it did not finish is run once elsewhere."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
import stopped_tasks

POOLS = ["prefork", "threads", "solo"]


@pytest.fixture
def place(place):
    place.write(Path(stopped_tasks.__file__).read_text())
    return place


def runs(place):
    """What the tasks have written, line by line."""
    path = place.path / "runs"
    return path.read_text().splitlines() if path.exists() else []


def wait_for_run(place, text, worker):
    end = time.monotonic() + 60
    while text not in runs(place):
        assert time.monotonic() < end, worker.log
        time.sleep(0.05)


@pytest.mark.parametrize("pool", POOLS)
def test_what_cannot_end_in_time_is_run_once_by_another_worker(place, pool):
    """Its result is that of the other run; in a process the body could clean up."""
    worker = place.start("worker", "--pool", pool, "--concurrency", "1", FW_STOP_TIMEOUT="1")
    worker.ready()
    sent = place.run("send", "team.long").stdout.strip()
    wait_for_run(place, "began", worker)

    begun = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - begun < 10
    assert "waits up to 1 s for 1 attempt still running" in worker.log

    place.start("worker", "--pool", "solo").ready()
    done = place.run("result", sent, "--wait", "--json")
    assert json.loads(done.stdout)["result"] == "done elsewhere"
    cleaned = ["cleaned up"] if pool == "prefork" else []
    assert runs(place) == ["began", *cleaned, "again"]


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_what_had_not_begun_goes_back_at_once(place, pool):
    """Another worker runs it while the first still waits for the attempt that runs there."""
    first = place.start("worker", "--pool", pool, "--concurrency", "1").ready()
    place.send("blocks()", "short(1)", "short(2)", "short(3)")
    wait_for_run(place, "began", first)
    place.start("worker", "--pool", "solo").ready()
    first.process.send_signal(signal.SIGTERM)
    for number in (1, 2, 3):
        wait_for_run(place, f"short {number}", first)
    assert "blocked" not in runs(place)
    (place.path / "go").touch()
    assert first.process.wait(60) == 0
    assert sorted(runs(place)) == ["began", "blocked", "short 1", "short 2", "short 3"]
    assert "Gave back 3 messages that no attempt had begun with" in first.log


@pytest.mark.parametrize("pool", POOLS)
def test_short_tasks_run_once_each_in_a_rolling_restart(place, pool):
    """By the worker that stops, or by the one that takes its place."""
    first = place.start("worker", "--pool", pool, "--concurrency", "2").ready()
    place.send(*(f"short({n})" for n in range(10)))
    wait_for_run(place, "short 0", first)
    assert first.stop() == 0
    second = place.start("worker", "--pool", pool, "--concurrency", "2").ready()
    for number in range(10):
        wait_for_run(place, f"short {number}", second)
    assert second.stop() == 0
    assert sorted(runs(place)) == [f"short {n}" for n in range(10)]


@pytest.mark.parametrize("pool", POOLS)
def test_ctrl_c_twice_stops_at_once_and_loses_nothing(place, pool):
    worker = place.start("worker", "--pool", pool, "--concurrency", "1").ready()
    sent = place.run("send", "team.long").stdout.strip()
    wait_for_run(place, "began", worker)
    worker.process.send_signal(signal.SIGINT)
    worker.wait_for("takes no more messages")
    begun = time.monotonic()
    assert worker.stop(signal.SIGINT) == 0
    assert time.monotonic() - begun < 10
    place.start("worker", "--pool", "solo").ready()
    done = place.run("result", sent, "--wait", "--json")
    assert json.loads(done.stdout)["result"] == "done elsewhere"


@pytest.mark.parametrize("pool", POOLS)
def test_a_thread_of_the_team_that_never_ends_holds_up_no_exit(place, pool):
    """Python waits for it, once the worker has ended."""
    with (place.path / "team.py").open("a") as module:
        module.write("import threading; threading.Thread(target=threading.Event().wait).start()\n")
    worker = place.start("worker", "--pool", pool, FW_STOP_TIMEOUT="2").ready()
    begun = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - begun < 10


def test_a_worker_that_is_told_to_stop_while_it_starts_does(place):
    """Signals that the first process of a container does not handle never reach it."""
    with (place.path / "team.py").open("a") as module:
        module.write("Path('importing').touch(); time.sleep(60)\n")
    worker = place.start("worker")
    end = time.monotonic() + 60
    while not (place.path / "importing").exists():
        assert time.monotonic() < end, worker.log
        time.sleep(0.05)
    assert worker.stop() == 0


@pytest.mark.usefixtures("at_the_keyboard")
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_all_processes_of_a_worker_lets_attempts_end(place, signum):
    """systemd sends SIGTERM to each of them, a terminal that is closed SIGHUP."""
    worker = place.start("worker", "--concurrency", "2").ready()
    sent = place.run("send", "team.blocks").stdout.strip()
    wait_for_run(place, "began", worker)
    os.killpg(worker.process.pid, signum)
    worker.wait_for("takes no more messages")
    (place.path / "go").touch()
    assert worker.process.wait(60) == 0
    done = place.run("result", sent, "--wait", "--json")
    assert json.loads(done.stdout)["result"] == "blocked"
    assert runs(place) == ["began", "blocked"]


def test_a_process_that_is_killed_while_its_worker_stops_uses_up_no_attempt(place):
    worker = place.start("worker", "--concurrency", "1").ready()
    sent = place.run("send", "team.blocks").stdout.strip()
    wait_for_run(place, "began", worker)
    worker.process.send_signal(signal.SIGTERM)
    worker.wait_for("takes no more messages")
    os.kill(int((place.path / "pid").read_text()), signal.SIGKILL)
    assert worker.process.wait(60) == 0
    (place.path / "go").touch()
    place.start("worker", "--pool", "solo").ready()
    done = json.loads(place.run("result", sent, "--wait", "--json").stdout)
    assert (done["result"], done["attempts"]) == ("blocked", 1)
    assert runs(place) == ["began", "began", "blocked"]


def test_celerys_own_command_ends_in_time_too(place):
    worker = place.start_python(
        *("-m", "celery", "-A", "fw_worker.app", "worker", "--concurrency", "1"),
        FW_STOP_TIMEOUT="1",
    ).ready()
    sent = place.run("send", "team.long").stdout.strip()
    wait_for_run(place, "began", worker)
    assert worker.stop() == 0
    place.start("worker", "--pool", "solo").ready()
    done = place.run("result", sent, "--wait", "--json")
    assert json.loads(done.stdout)["result"] == "done elsewhere"
    assert runs(place) == ["began", "cleaned up", "again"]
