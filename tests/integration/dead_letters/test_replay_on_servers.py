"""Dead letters on RabbitMQ and PostgreSQL: nothing is lost and nothing doubled on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from collected import letters, wait_for_letters, wait_until
from dead_tasks import retried, work
from sqlalchemy import create_engine, func, select, text

from fw_core.attempt.failure import TaskError
from fw_core.attempt.outcome import Cause
from fw_core.database.engine import close_connections
from fw_core.database.tables import results
from fw_core.errors import ReplayRunning
from fw_core.headers import DEAD
from fw_testing.services import Services, StartWorker
from fw_worker.dead_letters import one_at_a_time
from fw_worker.dead_letters.collector import collect_once
from fw_worker.dead_letters.death import Death
from fw_worker.dead_letters.letter import State
from fw_worker.dead_letters.signs import Signs

MANY = 1000

Fw = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def fw(fw_services: Services, tmp_path: Path) -> Fw:
    """Starts the command on the test's servers."""

    def start(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "fw_worker.cli", *words],
            cwd=tmp_path,
            env={**os.environ, **fw_services.settings.environment()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def done(process: subprocess.Popen[str]) -> str:
    """What a command printed when it has succeeded."""
    printed, _ = process.communicate(timeout=100)
    assert process.returncode == 0, printed
    return printed


def post(services: Services, number: int, **given: Any) -> None:
    """Publish dead letters of ``work``, as a worker does."""
    app = services.app
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        app.topology.declare_base(channel)
        app.topology.declare_queue(channel, app.topology.queue_name("default"))
        for each in range(number):
            death = Death(
                cause=Cause.RETRIES_SPENT,
                reason="the only attempt failed",
                error=TaskError("ConnectionError", "no route"),
                at=app.now(),
                attempts=1,
                queue="default",
                is_settled=given.get("is_settled", True),
            )
            message = channel.prepare_message(
                f'[[{each}, "{given["place"]}"], {{}}, {{}}]',
                content_type="application/json",
                content_encoding="utf-8",
                headers={
                    "task": "dead_tasks.work",
                    "id": f"call-{each}",
                    DEAD: death.to_header(),
                },
                properties={"message_id": f"message-{each}", "delivery_mode": 2},
            )
            channel.basic_publish_confirm(message, app.topology.dead, "default")


def successes(services: Services) -> int:
    """How many calls have succeeded."""
    is_success = select(func.count()).select_from(results).where(results.c.state == "SUCCESS")
    return int(
        services.app.backend.database.statement(lambda c: c.scalar(is_success), timeout=5) or 0
    )


def runs(place: Path) -> list[int]:
    """The number of each body that has done its work."""
    return [int(line.split()[0]) for line in (place / "done").read_text().splitlines()]


@pytest.mark.timeout(600)
def test_a_replay_of_a_thousand_mixed_dead_letters_leaves_an_empty_list(
    fw_services: Services, fw_live_worker: StartWorker, fw: Fw, tmp_path: Path
) -> None:
    """Killed processes, timeouts, spent retries, given up: all of them succeed in the end."""
    fw_live_worker("dead_tasks", concurrency=4)
    calls = [(number, str(tmp_path)) for number in range(MANY - 100)]
    work.delay_many(calls)
    retried.delay_many([(number, str(tmp_path)) for number in range(1, 200, 2)])
    wait_for_letters(fw_services.app, MANY, seconds=200)
    (tmp_path / "mended").touch()

    assert f"Sent {MANY} dead letters" in done(fw("dead", "replay", "--all", "--yes"))

    wait_until(lambda: successes(fw_services) == MANY, lambda: successes(fw_services), 120)
    assert done(fw("dead", "list")) == "No dead letters.\n"
    assert len(runs(tmp_path)) == MANY
    assert len(letters(fw_services.app, State.REPLAYED)) == MANY


@pytest.mark.timeout(300)
def test_a_replay_killed_in_the_middle_neither_loses_nor_doubles(
    fw_services: Services, fw_live_worker: StartWorker, fw: Fw, tmp_path: Path
) -> None:
    (tmp_path / "mended").touch()
    post(fw_services, MANY, place=tmp_path)
    with fw_services.app.connection_for_read() as connection:
        collect_once(fw_services.app, connection)
    assert len(letters(fw_services.app)) == MANY

    replaying = fw("dead", "replay", "--all", "--yes", "--rate", "500")
    wait_until(lambda: fw_services.count("default") >= 250, lambda: fw_services.count("default"))
    replaying.send_signal(signal.SIGKILL)
    replaying.communicate()
    sent = fw_services.count("default")
    assert sent < MANY
    worker = fw_live_worker("dead_tasks")
    wait_until(lambda: successes(fw_services) >= sent, lambda: successes(fw_services))

    done(fw("dead", "replay", "--all", "--yes"))

    wait_until(lambda: successes(fw_services) == MANY, lambda: successes(fw_services))
    worker.stop()
    assert sorted(runs(tmp_path)) == [*range(MANY)]
    assert letters(fw_services.app, State.DEAD, State.REPLAYING) == []


def test_a_replay_taken_up_sends_what_was_under_way_again_and_each_runs_once(
    fw_services: Services, fw_live_worker: StartWorker, fw: Fw, tmp_path: Path
) -> None:
    """Killed between sending and its note: a worker looks first whether a replay has succeeded."""
    (tmp_path / "mended").touch()
    post(fw_services, 100, place=tmp_path)
    with fw_services.app.connection_for_read() as connection:
        collect_once(fw_services.app, connection)
    code = (
        "import os, signal\n"
        "from fw_worker.dead_letters import table\n"
        "table.end_replay = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from fw_worker.cli import main\n"
        "main(['dead', 'replay', '--all', '--yes'])"
    )
    env = {**os.environ, **fw_services.settings.environment()}
    killed = subprocess.run([sys.executable, "-c", code], env=env, cwd=tmp_path, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(letters(fw_services.app, State.REPLAYING)) == 100

    done(fw("dead", "replay", "--all", "--yes"))

    assert fw_services.count("default") == 200
    worker = fw_live_worker("dead_tasks")
    wait_until(lambda: fw_services.count("default") == 0, lambda: fw_services.count("default"))
    worker.stop()
    assert sorted(runs(tmp_path)) == [*range(100)]
    assert letters(fw_services.app, State.DEAD, State.REPLAYING) == []


def test_two_replays_at_once_send_each_letter_once(
    fw_services: Services, fw: Fw, tmp_path: Path
) -> None:
    post(fw_services, 300, place=tmp_path)
    with fw_services.app.connection_for_read() as connection:
        collect_once(fw_services.app, connection)

    both = [fw("dead", "replay", "--all", "--yes") for _ in range(2)]
    for command in both:
        command.communicate()

    assert 0 in {command.returncode for command in both}
    assert fw_services.count("default") == 300
    assert letters(fw_services.app, State.DEAD, State.REPLAYING) == []


COLLECTOR = """
import os, signal, sys
from fw_worker.dead_letters import collector
if sys.argv[3:] == ["killed"]:
    collector.Collector._settle = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
collector.main()
"""


@pytest.fixture
def collecting(fw_services: Services, tmp_path: Path):
    """Starts a collector of the test's own; ended with the test."""
    started: list[subprocess.Popen[bytes]] = []
    signs = Signs.to_share()
    shared = signs.descriptor
    assert shared is not None

    def start(*words: str, **env: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", COLLECTOR, str(shared), str(os.getpid()), *words],
            pass_fds=[shared],
            env={**os.environ, **fw_services.settings.environment(), **env},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
    signs.close()


def test_a_collector_killed_between_commit_and_acknowledgement_neither_loses_nor_doubles(
    fw_services: Services, collecting: Callable[..., Any], tmp_path: Path
) -> None:
    post(fw_services, 300, place=tmp_path)
    killed = collecting("killed")
    assert killed.wait(30) == -signal.SIGKILL
    kept = len(letters(fw_services.app))
    assert 0 < kept <= 100

    collecting()
    wait_for_letters(fw_services.app, 300)
    wait_until(lambda: fw_services.count("fw.dead") == 0, lambda: fw_services.count("fw.dead"))
    assert len({letter.task_id for letter in letters(fw_services.app)}) == 300


def test_a_collector_whose_connection_is_cut_connects_again(
    fw_services: Services, collecting: Callable[..., Any], tmp_path: Path
) -> None:
    if fw_services.management is None:
        pytest.skip("needs the management API: set FW_TEST_MANAGEMENT_URL")
    collecting()
    post(fw_services, 10, place=tmp_path)
    wait_for_letters(fw_services.app, 10)
    fw_services.app.amqp.close_connections()
    wait_until(fw_services.management.close_connections, lambda: "no connection is listed")
    post(fw_services, 20, place=tmp_path)
    wait_for_letters(fw_services.app, 20)


def test_a_replay_that_lost_its_lock_notices_another_one(fw_services: Services) -> None:
    url = fw_services.app.backend.url
    key = {"key": one_at_a_time._KEY}
    other = create_engine(url)
    with one_at_a_time.one_replay(fw_services.app) as make_sure:
        make_sure()
        close_connections(url)
        with other.connect() as connection:
            assert connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), key)
            with pytest.raises(ReplayRunning):
                make_sure()
    other.dispose()
