"""Who lives, as the kernel says: real processes, really killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fw_core.broker.local import Store

from .local_drafts import draft

CLAIMANT = """
import sys
from pathlib import Path
from fw_core.broker.local import Store

store = Store(Path(sys.argv[1]))
owner = store.register_owner()
store.listen("work", owner=owner, tag="t", port=9)
store.claim(owner, "work")
print("claimed", flush=True)
if sys.stdin.readline() == "goodbye\\n":
    store.remove_owner(owner)
"""

Start = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "broker.db")
    made.declare_queue("work", arguments={"x-delivery-limit": 1})
    made.publish(draft(), key="work")
    yield made
    made.close()


@pytest.fixture
def start_claimant(tmp_path: Path) -> Iterator[Start]:
    """Start a process that owns the message, and stop it in the end."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", CLAIMANT, str(tmp_path / "broker.db")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "claimed\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_killed_process_loses_its_messages_at_the_next_tick(store: Store, start_claimant: Start):
    claimant = start_claimant()
    os.kill(claimant.pid, signal.SIGKILL)
    claimant.wait()

    store.tick()

    [message] = store.messages("work")
    assert (message.state, message.redelivered, message.returns) == ("ready", True, 1)
    [queue] = store.queues()
    assert queue.listeners == 0


def test_a_living_process_keeps_its_messages_however_long_it_takes(
    store: Store, start_claimant: Start
):
    """No lease and no timeout: not even a stopped process is taken for a dead one."""
    claimant = start_claimant()
    os.kill(claimant.pid, signal.SIGSTOP)
    store.clock = lambda: 9e9

    store.tick()

    [message] = store.messages("work")
    assert message.state == "owned"
    os.kill(claimant.pid, signal.SIGCONT)


def test_a_crash_is_counted_once_however_many_notice_it(
    store: Store, start_claimant: Start, tmp_path: Path
):
    claimant = start_claimant()
    claimant.kill()
    claimant.wait()

    for _ in range(3):
        store.tick()
        Store(tmp_path / "broker.db").tick()

    [message] = store.messages("work")
    assert message.returns == 1


def test_a_message_that_kills_every_worker_ends_at_the_delivery_limit(
    store: Store, start_claimant: Start
):
    store.declare_queue("dead")
    arguments = {
        "x-delivery-limit": 1,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "dead",
    }
    store.delete_queue("work")
    store.declare_queue("work", arguments=arguments)
    store.publish(draft(), key="work")

    for _ in range(2):
        claimant = start_claimant()
        claimant.kill()
        claimant.wait()
        store.tick()

    assert store.messages("work") == []
    [dead] = store.messages("dead")
    assert dead.headers["x-first-death-reason"] == "delivery_limit"


def test_a_goodbye_is_not_a_crash(store: Store, start_claimant: Start):
    claimant = start_claimant()
    claimant.communicate("goodbye\n")

    store.tick()

    [message] = store.messages("work")
    assert (message.state, message.returns) == ("ready", 0)


def test_an_exit_without_goodbye_is_a_crash(store: Store, start_claimant: Start):
    claimant = start_claimant()
    claimant.communicate("")

    store.tick()

    [message] = store.messages("work")
    assert (message.state, message.returns) == ("ready", 1)


def test_an_owner_whose_goodbye_failed_is_taken_for_dead(store: Store):
    """Otherwise its messages would stay with it until this process ends."""
    owner = store.register_owner()
    store.claim(owner, "work")
    with store._database.writing() as db:
        db.execute(
            "CREATE TRIGGER full BEFORE DELETE ON owner BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    with pytest.raises(sqlite3.IntegrityError, match="disk full"):
        store.remove_owner(owner)
    with store._database.writing() as db:
        db.execute("DROP TRIGGER full")

    store.tick()

    [message] = store.messages("work")
    assert (message.state, message.returns) == ("ready", 1)


def test_an_owner_in_this_process_is_alive_for_every_store_on_the_file(
    store: Store, tmp_path: Path
):
    """The kernel would grant a process its own lock again, so the process has to remember."""
    owner = store.register_owner()
    store.claim(owner, "work")

    Store(tmp_path / "broker.db").tick()

    [message] = store.messages("work")
    assert message.state == "owned"


def test_a_forked_child_does_not_keep_its_parent_alive(store: Store, tmp_path: Path):
    """A pool child that outlives a killed worker must not hold its messages."""
    read, write = os.pipe()
    child_read, child_write = os.pipe()
    parent = os.fork()
    if parent == 0:
        mine = Store(tmp_path / "broker.db")
        mine.claim(mine.register_owner(), "work")
        if os.fork() == 0:  # the pool child: waits until the test is over
            os.close(child_write)
            os.write(write, b"c")
            os.read(child_read, 1)
            os._exit(0)
        signal.pause()
    os.close(child_read)
    os.read(read, 1)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)

    store.tick()

    [message] = store.messages("work")
    os.close(child_write)
    assert message.state == "ready"
