"""A fault that can pass is waited out for a bounded time; any other is told at once."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from fw_core.database.connection import Database
from fw_core.database.engine import close_connections
from fw_core.database.faults import store_error
from fw_core.errors import ResultStoreError

NOBODY_LISTENS = "postgresql+psycopg2://fw:s3cret@127.0.0.1:1/fw"


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close_connections()


class Time:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def database(url: str, time: Time) -> Database:
    return Database(url, monotonic=time.monotonic, sleep=time.sleep)


def test_a_fault_that_passes_is_not_seen() -> None:
    time, runs = Time(), 0

    def work(_: Any) -> str:
        nonlocal runs
        runs += 1
        if runs < 4:
            raise OperationalError("SELECT 1", {}, Exception("database is locked"))
        return "done"

    assert database("sqlite://", time).statement(work, timeout=10) == "done"
    assert runs == 4
    assert time.slept[0] == 0  # a connection that died while idle costs no wait


def test_a_fault_that_stays_is_told_within_the_time_given() -> None:
    time = Time()

    with pytest.raises(ResultStoreError) as told:
        database(NOBODY_LISTENS, time).statement(lambda c: c.scalar(text("SELECT 1")), timeout=10)

    assert 8 <= time.now <= 10
    assert "127.0.0.1" in told.value.cause


@pytest.mark.parametrize("timeout", [0, 3])
def test_the_password_is_never_shown(timeout: float) -> None:
    with pytest.raises(ResultStoreError) as told:
        database(NOBODY_LISTENS, Time()).statement(
            lambda c: c.scalar(text("SELECT 1")), timeout=timeout
        )

    shown = "".join(traceback.format_exception(told.value)) + repr(told.value.__dict__)
    assert "s3cret" not in shown
    assert "fw:***@127.0.0.1" in shown


def test_a_password_that_the_driver_repeats_is_left_out() -> None:
    said = Exception('could not translate "fw:s3cret@db"')

    error = store_error(NOBODY_LISTENS, OperationalError("SELECT 1", {}, said))

    assert error.cause == 'could not translate "fw:***@db"'


def test_a_missing_table_is_told_at_once_with_the_command_that_makes_it() -> None:
    time = Time()

    with pytest.raises(ResultStoreError) as told:
        database("sqlite://", time).statement(
            lambda c: c.scalar(text("SELECT 1 FROM fw_nowhere")), timeout=10
        )

    assert time.slept == []
    assert told.value.fix == "fw db upgrade"


@pytest.mark.parametrize("refused", ["\ud800", "a\x00b"], ids=ascii)
def test_a_text_that_no_column_can_hold_is_told_at_once(refused: str) -> None:
    time = Time()

    def work(connection: Any) -> Any:
        if "\x00" in refused:  # what psycopg2 says; SQLite would take it
            raise ValueError("A string literal cannot contain NUL (0x00) characters.")
        return connection.scalar(text("SELECT :given"), {"given": refused})

    with pytest.raises(ResultStoreError) as told:
        database("sqlite://", time).statement(work, timeout=10)

    assert time.slept == []
    assert "leave out" in told.value.fix


def test_a_wrong_statement_is_not_tried_again() -> None:
    time, runs = Time(), 0

    def work(connection: Any) -> Any:
        nonlocal runs
        runs += 1
        return connection.execute(
            text("INSERT INTO fw_groups (group_id, members) VALUES ('a', NULL)")
        )

    with pytest.raises(ResultStoreError):
        database("sqlite://", time).statement(work, timeout=10)
    assert (runs, time.slept) == (1, [])


def test_what_a_task_returned_is_not_in_the_error() -> None:
    statement = text("INSERT INTO fw_groups (group_id, members) VALUES (:secret, NULL)")
    secret = f"customer {6 + 1}"  # the traceback shows this line, not its value

    with pytest.raises(ResultStoreError) as told:
        database("sqlite://", Time()).statement(
            lambda c: c.execute(statement, {"secret": secret}), timeout=0
        )

    assert secret not in "".join(traceback.format_exception(told.value))
    assert secret not in str(told.value.__context__)  # what an error reporter may look at


def test_an_error_of_the_work_itself_passes_through() -> None:
    def work(_: Any) -> None:
        raise KeyError("not the database's fault")

    with pytest.raises(KeyError):
        database("sqlite://", Time()).statement(work, timeout=10)
