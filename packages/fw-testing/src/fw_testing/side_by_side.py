"""One set of servers for all processes of a run of pytest-xdist.

The first process that needs them starts them and ends last, since what it started ends with it:
testcontainers removes the containers of a process that is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from fw_testing.servers import Servers, find_servers

_LOOK_SECONDS = 0.1


def find_servers_of_run(stack: ExitStack, run: str) -> Servers:
    """Find the servers that another process of this run has started, or start them.

    Args:
        stack: Gives them back when it is closed. The process that started them waits there for
            the others.
        run: What all processes of this run, and no others, are known by.

    Raises:
        UnavailableError: one is not there and cannot be started, or does not answer.
    """
    if os.environ.get("FW_TEST_BROKER_URL") and os.environ.get("FW_TEST_DATABASE_URL"):
        return find_servers(stack)
    return _Place(Path(tempfile.gettempdir(), f"fw-testing-{run}")).enter(stack)


class _Place:
    """A directory in which the processes of a run find each other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._servers = path / "servers.json"
        self._users = path / "users"

    def enter(self, stack: ExitStack) -> Servers:
        with self._turn():
            if self._servers.exists():
                user = self._users / str(os.getpid())
                user.touch()
                stack.callback(user.unlink, missing_ok=True)
                return Servers(**json.loads(self._servers.read_text()))
            servers = find_servers(stack)
            self._servers.write_text(json.dumps(asdict(servers)))
            stack.callback(self._leave)
            return servers

    def _leave(self) -> None:
        with self._turn():
            self._servers.unlink(missing_ok=True)  # who comes now starts servers of its own
        while any(map(_lives, self._pids())):
            time.sleep(_LOOK_SECONDS)
        with self._turn():
            if not self._servers.exists():
                shutil.rmtree(self._path, ignore_errors=True)

    def _pids(self) -> list[int]:
        try:
            return [int(user.name) for user in self._users.iterdir()]
        except FileNotFoundError:
            return []

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One process at a time; the next one waits, also while servers are being started."""
        with self._lock():
            self._users.mkdir(exist_ok=True)
            yield

    @contextmanager
    def _lock(self) -> Iterator[None]:
        while True:
            self._path.mkdir(mode=0o700, exist_ok=True)  # the URLs have passwords
            path = self._path / "lock"
            with suppress(FileNotFoundError), path.open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(lock.fileno()), path.stat()):  # not removed meanwhile
                    yield
                    return


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
