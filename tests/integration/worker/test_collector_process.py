"""The collector beside a worker: there while the worker is, whatever happens to either."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fw_core.broker import local
from fw_core.broker.app import create_app
from fw_core.settings import read_settings
from fw_worker.dead_letters.process import SILENT_LOOKS, CollectorProcess

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def collectors_of(pid):
    """The process ids of the collectors that a process has started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:  # it ended meanwhile
                continue
            is_collector = b"fw_worker.dead_letters.collector" in words
            if is_collector and stat[0] != "Z" and words[-2] == str(pid).encode():
                found.append(int(entry.name))
    return found


@pytest.fixture
def worker_with_collector(place, wait_until):
    """Starts a worker and waits until it has its collector."""

    def start(*words, **env):
        worker = place.start("worker", "--concurrency", "1", *words, **env).ready()
        pid = worker.process.pid
        wait_until(lambda: len(collectors_of(pid)) == 1, "a collector runs")
        return worker, collectors_of(pid)[0]

    return start


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_failed_call_is_collected_beside_every_pool(
    place, wait_until, worker_with_collector, pool
):
    worker_with_collector("--pool", pool)
    place.run("send", "team.fails", "x", "--id", "call-1", "--wait", code=1)

    def shown():
        done = place.run("dead", "list", "--json").stdout
        return json.loads(done)["letters"]

    wait_until(shown, "it is collected")
    [letter] = shown()
    assert (letter["call"], letter["task"]) == ("call-1", "team.fails")
    assert (letter["attempts"], letter["error"]["type"]) == (2, "ValueError")


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_collector_ends_with_its_worker(place, wait_until, worker_with_collector, end):
    """However that ends."""
    worker, collector = worker_with_collector()
    os.kill(worker.process.pid, end)
    worker.process.wait(30)
    wait_until(lambda: collectors_of(worker.process.pid) == [], f"{collector} has ended")


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_collector_that_dies_is_started_again(place, wait_until, worker_with_collector, pool):
    worker, first = worker_with_collector("--pool", pool)
    os.kill(first, signal.SIGKILL)
    worker.wait_for("The collector of dead letters ended (exit code -9)")
    wait_until(lambda: collectors_of(worker.process.pid), "another runs")
    assert collectors_of(worker.process.pid) != [first]
    assert worker.stop() == 0


def test_a_worker_that_is_to_have_none_has_none(place):
    worker = place.start("worker", "--pool", "solo", FW_COLLECT_DEAD_LETTERS="false").ready()
    place.run("send", "team.greet", "Ada", "--wait")
    assert collectors_of(worker.process.pid) == []


def test_celerys_own_command_has_one_too(place, wait_until):
    command = [sys.executable, "-m", "celery", "-A", "fw_worker.app", "worker", "--pool", "solo"]
    with (place.path / "celery.log").open("wb") as log:
        worker = subprocess.Popen(command, cwd=place.path, env=place.env, stdout=log, stderr=log)
    try:
        wait_until(lambda: len(collectors_of(worker.pid)) == 1, "a collector runs")
    finally:
        worker.terminate()
        assert worker.wait(30) == 0
    wait_until(lambda: collectors_of(worker.pid) == [], "it has ended")


def test_no_password_is_on_its_command_line(place, wait_until, worker_with_collector):
    url = f"sqlite:///{place.path}/geheim.db"
    _, collector = worker_with_collector(FW_DATABASE_URL=url)
    assert b"geheim" not in Path(f"/proc/{collector}/cmdline").read_bytes()
    assert b"geheim" in Path(f"/proc/{collector}/environ").read_bytes()


def health(place):
    return json.loads(place.run("health", "--json", code=None).stdout)


@pytest.fixture
def app(tmp_path):
    """The app of a worker whose collector finds nothing to do."""
    settings = read_settings(
        broker_url=local.memory_url("collector-process"),
        database_url=f"sqlite:///{tmp_path}/fw.db",
        task_modules=(),
    )
    app = create_app(settings, {})
    yield app
    app.close()


@pytest.fixture
def collector(app):
    process = CollectorProcess(app)
    process.start()
    yield process
    process.stop()


def test_a_collector_that_hangs_is_ended_and_started_again(collector, wait_until):
    """Its worker hears nothing of it any more, however often it looks."""

    def turns():  # not by looks: each of them counts
        return collector._signs.read().turns

    wait_until(turns, "it goes on")
    first = collector.pid
    os.kill(first, signal.SIGSTOP)
    for _ in range(SILENT_LOOKS + 3):  # it may have said something before
        collector.look()

    def is_another():
        collector.look()
        return collector.pid != first

    wait_until(is_another, "another one is started")
    wait_until(turns, "it goes on")


def test_the_health_says_how_the_collector_is(place, wait_until, worker_with_collector):
    """Also that letters wait for one that stands still, and that they do no more."""
    _, pid = worker_with_collector(FW_HEALTH_FILE=str(place.path / "health"))
    place.env["FW_HEALTH_FILE"] = str(place.path / "health")
    place.run("send", "team.fails", "x", "--wait", code=1)
    wait_until(lambda: health(place)["collector"]["kept"], "it has kept one")
    assert health(place)["collector"]["is_alive"] is True

    os.kill(pid, signal.SIGSTOP)
    place.run("send", "team.fails", "x", "--wait", code=1)
    wait_until(lambda: health(place)["collector"]["stuck"], "it stands still")
    assert health(place)["dead"] == 1
    assert health(place)["healthy"] is True  # not for long enough

    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not health(place)["collector"]["stuck"], "it goes on")


def test_a_worker_without_a_collector_is_healthy(place):
    place.env["FW_HEALTH_FILE"] = str(place.path / "health")
    place.start("worker", "--pool", "solo", FW_COLLECT_DEAD_LETTERS="false").ready()
    assert (health(place)["healthy"], health(place)["collector"]) == (True, None)
