"""One kept connection for each process and database."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from fw_core.database import engine as engine_module
from fw_core.database.connection import Database
from fw_core.database.engine import close_connections, engine_for, transactional
from fw_core.database.turns import Turns, TurnTimeout


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    url = f"sqlite:///{tmp_path}/deeper/results.db"
    yield url
    close_connections(url)


@pytest.fixture
def memory() -> Iterator[str]:
    yield "sqlite://"
    close_connections("sqlite://")


def count_connections(url: str) -> list[object]:
    made: list[object] = []
    event.listen(engine_for(url), "connect", lambda connection, _: made.append(connection))
    return made


def in_a_child(work: Callable[[], object]) -> str:
    """Run ``work`` in a forked child and return what it returned, as text."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)  # a child that hangs must not hold the tests
        try:
            said = repr(work())
        except BaseException as error:
            said = f"failed: {error!r}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as pipe:
        return pipe.read()


def test_many_uses_take_one_connection(url: str) -> None:
    made = count_connections(url)

    for _ in range(20):
        Database(url).statement(lambda c: c.scalar(text("SELECT 1")), timeout=1)

    assert len(made) == 1


def test_threads_take_turns_on_one_connection(url: str) -> None:
    made = count_connections(url)
    database = Database(url)
    database.statement(lambda c: c.execute(text("CREATE TABLE seen (n INTEGER)")), timeout=1)

    def insert(values: dict[str, int], connection: Connection) -> None:
        connection.execute(text("INSERT INTO seen VALUES (:n)"), values)

    def write(thread: int) -> None:
        for n in range(25):
            values = {"n": thread * 100 + n}
            database.transaction(partial(insert, values), timeout=30)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    stored = database.statement(
        lambda c: c.scalar(text("SELECT count(DISTINCT n) FROM seen")), timeout=1
    )
    assert stored == 200
    assert len(made) == 1


def test_a_busy_thread_lets_one_that_waits_go_first(memory: str) -> None:
    database = Database(memory)
    order: list[str] = []
    other = threading.Thread(
        target=lambda: database.statement(lambda c: order.append("other"), timeout=0)
    )

    def until_other_waits(_: Connection) -> None:
        other.start()
        while not engine_module._turns[memory]._waiting:
            pass

    database.statement(until_other_waits, timeout=0)
    database.statement(lambda c: order.append("busy"), timeout=0)
    other.join()

    assert order == ["other", "busy"]


def test_a_turn_that_does_not_come_in_time_is_told_and_leaves_the_others_in_order() -> None:
    turns = Turns()

    with turns.turn(timeout=0), pytest.raises(TurnTimeout), turns.turn(timeout=0.01):
        pytest.fail("two had the turn")

    with turns.turn(timeout=0):
        pass


def test_a_database_in_memory_is_the_same_for_all_threads(memory: str) -> None:
    database = Database(memory)
    database.statement(lambda c: c.execute(text("CREATE TABLE seen (n INTEGER)")), timeout=1)
    thread = threading.Thread(
        target=lambda: database.statement(
            lambda c: c.execute(text("INSERT INTO seen VALUES (1)")), timeout=1
        )
    )
    thread.start()
    thread.join()

    assert database.statement(lambda c: c.scalar(text("SELECT n FROM seen")), timeout=1) == 1


def test_a_database_in_memory_is_gone_once_it_is_closed(memory: str) -> None:
    database = Database(memory)
    database.statement(lambda c: c.execute(text("CREATE TABLE seen (n INTEGER)")), timeout=1)

    close_connections(memory)

    names = text("SELECT name FROM sqlite_master WHERE name = 'seen'")
    assert database.statement(lambda c: c.scalar(names), timeout=1) is None


def test_a_forked_child_uses_a_connection_of_its_own(url: str) -> None:
    with engine_for(url).connect() as connection:
        inherited = connection.connection.dbapi_connection

        def is_inherited() -> bool:
            with engine_for(url).connect() as own:
                return own.connection.dbapi_connection is inherited

        assert in_a_child(is_inherited) == "False"


def test_the_parents_connection_outlives_its_children(url: str) -> None:
    database = Database(url)
    database.statement(lambda c: c.execute(text("CREATE TABLE seen (n INTEGER)")), timeout=1)

    def write() -> int:
        insert = text("INSERT INTO seen VALUES (1)")
        return database.statement(lambda c: c.execute(insert).rowcount, timeout=5)

    assert [in_a_child(write), in_a_child(write)] == ["1", "1"]
    assert write() == 1
    count = text("SELECT count(*) FROM seen")
    assert database.statement(lambda c: c.scalar(count), timeout=1) == 3


def test_a_child_forked_while_a_thread_opens_a_connection_can_open_its_own(url: str) -> None:
    with engine_module._lock:
        said = in_a_child(lambda: engine_for(url).dialect.name)

    assert said == "'sqlite'"


def test_a_writer_waits_for_another_one_instead_of_failing(url: str) -> None:
    with engine_for(url).connect() as connection:
        mode = connection.scalar(text("PRAGMA journal_mode"))
        patience = connection.scalar(text("PRAGMA busy_timeout"))

    assert (mode, patience) == ("wal", 30_000)


def test_a_transaction_takes_the_write_lock_at_its_beginning(url: str) -> None:
    begun: list[str] = []
    engine = engine_for(url)
    event.listen(engine, "before_cursor_execute", lambda _c, _k, sql, *_: begun.append(sql))

    with transactional(engine).begin() as connection:
        connection.execute(text("SELECT 1"))

    assert begun == ["BEGIN IMMEDIATE", "SELECT 1"]


def test_one_statement_has_no_transaction_around_it(url: str) -> None:
    said: list[str] = []
    engine = engine_for(url)
    event.listen(engine, "before_cursor_execute", lambda _c, _k, sql, *_: said.append(sql))

    with engine.begin() as connection:
        connection.execute(text("SELECT 1"))

    assert said == ["SELECT 1"]
