"""The processes of one run share servers, and the one that started them ends last."""

from __future__ import annotations

import multiprocessing
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from fw_testing import side_by_side
from fw_testing.servers import Servers, UnavailableError

Noted = Callable[[], list[str]]
FORK = multiprocessing.get_context("fork")
SECONDS = 30


class Member:
    """A process of the run: it has servers until it is told to leave."""

    def __init__(self, run: str) -> None:
        self.here, there = FORK.Pipe()
        self.process = FORK.Process(target=_member, args=(there, run))
        self.process.start()

    def servers(self) -> Any:
        assert self.here.poll(SECONDS)
        return self.here.recv()

    def leave(self) -> None:
        self.here.send("leave")

    def wait(self) -> int | None:
        self.process.join(SECONDS)
        return self.process.exitcode


def _member(there: Connection, run: str) -> None:
    with ExitStack() as stack:
        there.send(side_by_side.find_servers_of_run(stack, run).broker_url)
        there.recv()


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Noted:
    """What was started and stopped, by which process."""
    path = tmp_path / "noted"
    path.touch()

    def note(*words: object) -> None:
        with path.open("a") as file:
            print(*words, file=file)

    def find_servers(stack: ExitStack) -> Servers:
        note("started", os.getpid())
        stack.callback(note, "stopped", os.getpid())
        return Servers(f"amqp://{os.getpid()}", "", "")

    monkeypatch.setattr(side_by_side, "find_servers", find_servers)
    for name in ("FW_TEST_BROKER_URL", "FW_TEST_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return lambda: path.read_text().splitlines()


@pytest.fixture
def join() -> Iterator[Callable[[], Member]]:
    run, members = uuid.uuid4().hex, list[Member]()

    def join() -> Member:
        members.append(Member(run))
        return members[-1]

    yield join
    for member in members:
        member.process.kill()
        member.wait()


def test_one_process_starts_them_and_stops_them_when_the_others_have_left(
    join: Callable[[], Member], noted: Noted, tmp_path: Path
) -> None:
    first = join()
    url = first.servers()
    second, third = join(), join()
    assert {second.servers(), third.servers()} == {url}

    first.leave()
    second.leave()
    assert second.wait() == 0
    assert first.process.is_alive()
    assert noted() == [f"started {first.process.pid}"]
    third.leave()
    assert (third.wait(), first.wait()) == (0, 0)
    assert noted() == [f"started {first.process.pid}", f"stopped {first.process.pid}"]
    assert not list(tmp_path.glob("fw-testing-*"))


def test_one_that_was_killed_holds_nobody_up(join: Callable[[], Member], noted: Noted) -> None:
    first = join()
    first.servers()
    second = join()
    second.servers()
    assert second.process.pid is not None
    os.kill(second.process.pid, signal.SIGKILL)
    second.wait()
    first.leave()
    assert first.wait() == 0


def test_who_comes_when_they_are_leaving_gets_servers_of_its_own(
    join: Callable[[], Member], noted: Noted
) -> None:
    first = join()
    first.servers()
    first.leave()
    assert first.wait() == 0
    late = join()
    assert late.servers() == f"amqp://{late.process.pid}"
    late.leave()
    assert late.wait() == 0
    assert [line.split()[0] for line in noted()] == ["started", "stopped"] * 2


def test_servers_that_cannot_be_started_are_said_in_each_process(
    monkeypatch: pytest.MonkeyPatch, noted: Noted
) -> None:
    def find_servers(stack: ExitStack) -> Servers:
        raise UnavailableError("Docker is away")

    monkeypatch.setattr(side_by_side, "find_servers", find_servers)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="away"), ExitStack() as stack:
            side_by_side.find_servers_of_run(stack, "away")
