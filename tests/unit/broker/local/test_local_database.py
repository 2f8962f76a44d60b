"""The file: made once, shared by processes and threads, never by a fork, and noticed when gone."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fw_core.broker.local import Store, forget, memory_store
from fw_core.broker.local.database import FileReplacedError
from fw_core.broker.local.errors import (
    ForeignMemoryStoreError,
    MemoryStoreExistsError,
    NetworkPathError,
    NotABrokerFileError,
    UnsupportedPlatformError,
)
from fw_core.broker.local.location import network_filesystem
from fw_core.broker.local.locks import lock_file

from .local_drafts import draft, numbers

PUBLISHER = """
import sys
from pathlib import Path
from fw_core.broker.local import Draft, Store

store = Store(Path(sys.argv[1]))
store.declare_queue("work")
for number in range(50):
    store.publish(Draft(str(number).encode()), key="work")
"""


def in_child(action: Callable[[], object]) -> str:
    """Run ``action`` in a forked child; return what it returned or raised, as text."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = repr(action())
        except BaseException as error:
            said = type(error).__name__
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as pipe:
        return pipe.read()


def test_processes_that_start_together_make_one_file(tmp_path: Path):
    path = tmp_path / ".fw" / "broker.db"
    started = [
        subprocess.Popen([sys.executable, "-c", PUBLISHER, str(path)], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    errors = [process.communicate()[1] for process in started]

    assert errors == [b""] * 4
    assert len(Store(path).messages("work")) == 200


def test_only_one_process_opens_or_closes_a_file_at_a_time(tmp_path: Path):
    """SQLite reports a locked database, without waiting, when two make a file's log together."""
    path = tmp_path / "locks"

    def is_taken() -> bool:
        with path.open("r+b") as other:
            try:
                fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
            except OSError:
                return True
        return False

    with lock_file(path).opening():
        assert in_child(is_taken) == "True"
    assert in_child(is_taken) == "False"


def test_the_fw_directory_keeps_itself_out_of_git(tmp_path: Path):
    Store(tmp_path / ".fw" / "broker.db").queues()

    assert (tmp_path / ".fw" / ".gitignore").read_text() == "*\n"


def test_a_directory_of_the_teams_own_is_left_alone(tmp_path: Path):
    Store(tmp_path / "data" / "broker.db").queues()

    assert not (tmp_path / "data" / ".gitignore").exists()


def test_the_file_is_set_up_to_survive_a_killed_writer(tmp_path: Path):
    store = Store(tmp_path / "broker.db")
    with store._database.reading() as db:
        found = {
            name: db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }

    assert found == {"journal_mode": "wal", "synchronous": 1, "busy_timeout": 30_000}


def test_a_failed_change_leaves_nothing_behind_and_blocks_nobody(tmp_path: Path):
    store = Store(tmp_path / "broker.db")
    store.declare_queue("work")

    def fail() -> None:
        with store._database.writing() as db:
            db.execute("DELETE FROM queue")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert [queue.name for queue in store.queues()] == ["work"]
    assert Store(tmp_path / "broker.db").publish(draft(), key="work") == 1


def test_parent_and_child_both_publish_after_a_fork(tmp_path: Path):
    store = Store(tmp_path / "broker.db")
    store.declare_queue("work")
    store.publish(draft("before"), key="work")

    assert in_child(lambda: store.publish(draft("child"), key="work")) == "1"
    store.publish(draft("parent"), key="work")

    assert numbers(store.messages("work")) == ["before", "child", "parent"]


def test_every_thread_of_a_child_can_use_the_store(tmp_path: Path):
    """The lock that was held for the fork is not the child's."""
    store = Store(tmp_path / "broker.db")
    store.declare_queue("work")

    def publish_in_a_thread() -> int:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(store.publish, draft(), key="work").result(timeout=10)

    assert in_child(publish_in_a_thread) == "1"


def test_no_connection_to_the_file_is_open_while_a_process_forks(tmp_path: Path):
    """A child that inherits SQLite's notes about locks can damage the file."""
    path = tmp_path / "broker.db"
    store = Store(path)
    store.declare_queue("work")

    def opened() -> bool:
        links = Path("/proc/self/fd").iterdir()
        return path in {link.readlink() for link in links if link.is_symlink()}

    assert opened()
    assert in_child(opened) == "False"


def test_a_fork_waits_for_other_threads_to_finish_their_change(tmp_path: Path):
    """Otherwise the child would inherit a lock that nobody in it can release."""
    store = Store(tmp_path / "broker.db")
    store.declare_queue("work")
    inside, stop = threading.Event(), threading.Event()

    def write_all_the_time() -> None:
        while not stop.is_set():
            store.publish(draft(), key="work")
            inside.set()

    thread = threading.Thread(target=write_all_the_time)
    thread.start()
    try:
        inside.wait(10)
        said = [in_child(lambda: store.publish(draft("child"), key="work")) for _ in range(5)]
    finally:
        stop.set()
        thread.join()

    assert said == ["1"] * 5


def test_a_store_in_memory_refuses_to_be_used_by_a_forked_child():
    """What the child writes would be seen by nobody."""
    store = Store(name="test")
    store.declare_queue("work")

    assert in_child(lambda: store.publish(draft(), key="work")) == ForeignMemoryStoreError.__name__
    assert store.publish(draft(), key="work") == 1


def test_a_removed_file_is_noticed_once_and_then_made_anew(tmp_path: Path):
    """A producer must not go on writing into a file that no worker can see."""
    store = Store(tmp_path / "broker.db")
    store.declare_queue("work")
    for file in tmp_path.iterdir():
        file.unlink()

    with pytest.raises(FileReplacedError):
        store.publish(draft(), key="work")
    assert store.queues() == []


def test_a_removed_files_log_is_not_taken_for_the_new_ones(tmp_path: Path):
    """SQLite removes the write-ahead log by name when the last connection closes."""
    path = tmp_path / "broker.db"
    old = Store(path)
    old.declare_queue("work")
    for file in tmp_path.iterdir():
        file.unlink()
    new = Store(path)
    new.declare_queue("work")

    with pytest.raises(FileReplacedError):
        old.queues()
    new.publish(draft(), key="work")

    assert path.with_name("broker.db-wal").exists()
    assert len(old.messages("work")) == 1


@pytest.mark.parametrize("content", [b"this is no database" * 100, None])
def test_a_file_that_is_something_else_is_left_as_it_is(tmp_path: Path, content: bytes | None):
    path = tmp_path / "broker.db"
    if content is None:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE mine (x)")
        other.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()

    with pytest.raises(NotABrokerFileError, match="Fix: stop what uses it and move it away: mv"):
        Store(path).queues()
    assert path.read_bytes() == before or content is None


def test_one_name_is_one_store_until_it_is_forgotten():
    first = memory_store("one name")
    assert memory_store("one name") is first

    forget("one name")
    forget("one name")
    assert memory_store("one name") is not first
    forget("one name")


def test_one_store_has_one_clock():
    memory_store("clocked", clock=lambda: 1.0)
    with pytest.raises(MemoryStoreExistsError):
        memory_store("clocked", clock=lambda: 2.0)
    forget("clocked")


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "fw_core.broker.local.location.network_filesystem", lambda directory: "nfs4"
    )

    with pytest.raises(NetworkPathError, match=r"network file system \(nfs4\)"):
        Store(tmp_path / "broker.db").queues()


def test_windows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "win32")

    with pytest.raises(UnsupportedPlatformError, match="does not run on 'win32'"):
        Store(tmp_path / "broker.db").queues()


@pytest.mark.parametrize(
    "directory, kind",
    [
        ("/", None),
        ("/mnt/share", "nfs4"),
        ("/mnt/share/deep", "nfs4"),
        ("/mnt/share/disk", None),
        ("/mnt/shares", None),
        ("/mnt/with space", "cifs"),
    ],
)
def test_the_deepest_mount_decides(directory: str, kind: str | None, tmp_path: Path):
    """Lines as in proc(5)."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "40 22 0:35 / /mnt/share rw shared:9 - nfs4 server:/share rw\n"
        "41 40 8:2 / /mnt/share/disk rw shared:9 - xfs /dev/sdb1 rw\n"
        "42 22 0:36 / /mnt/with\\040space rw - cifs //server/x rw\n"
    )

    assert network_filesystem(Path(directory), mounts=mounts) == kind


def test_stores_in_memory_start_empty_and_share_nothing():
    first, second = Store(name="first"), Store(name="second")
    first.declare_queue("work")
    first.publish(draft(), key="work")

    assert second.queues() == []
    assert [queue.name for queue in first.queues()] == ["work"]
    assert Store(name="third").queues() == []
    assert all(store.has_exchange("amq.topic") for store in (first, second))
    first.close()
    second.close()
