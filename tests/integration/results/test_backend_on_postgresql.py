"""One connection, one statement, and a bounded wait when the server is away."""

from __future__ import annotations

import json
import os
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from celery.app.task import Context
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, make_url

from fw_core.database.connection import Database
from fw_core.database.engine import engine_for
from fw_core.errors import ResultStoreError, ResultTimeout, TaskFailed
from fw_core.results.backend import ResultBackend
from fw_core.results.handle import TaskResult

Make = Callable[..., ResultBackend]
Ask = Callable[[str], Any]

CONNECTIONS = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE application_name = 'fw' AND datname = current_database()"
)


def test_a_result_comes_back(url: str, make_backend: Make) -> None:
    backend = make_backend(url)
    request = Context(id="id-1", task="shop.pay", retries=1, hostname="worker-1")

    backend.mark_as_retry("id-1", ConnectionError("away"), "Traceback …", request)
    backend.mark_as_done("id-1", {"paid": [1, None, "ü"]}, request)
    backend.mark_as_failure("id-1", ValueError("late"), None, request)

    result = TaskResult[Any]("id-1", app=backend.app)
    assert result.get(timeout=1) == {"paid": [1, None, "ü"]}
    assert (result.state, result.attempts, result.error) == ("SUCCESS", 2, None)
    assert backend.app.AsyncResult("id-1").date_done.tzinfo is not None


@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
        | st.text(st.characters()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
    message=st.text(st.characters()),
)  # fmt: skip
def test_every_value_and_every_message_can_be_kept(
    url: str, make_backend: Make, value: Any, message: str
) -> None:
    backend = make_backend(url)
    backend.forget("id-1")
    backend.forget("id-2")
    backend.store_result("id-1", value, "SUCCESS")
    backend.store_result("id-2", ValueError(message), "FAILURE")

    read = backend.get_task_meta("id-1", cache=False)["result"]
    assert json.dumps(read) == json.dumps(value)
    assert backend.load(["id-2"])["id-2"].error_type == "ValueError"


def test_a_stored_result_is_one_statement(url: str, make_backend: Make) -> None:
    backend = make_backend(url)
    backend.load([])
    seen: list[str] = []
    event.listen(engine_for(url), "before_cursor_execute", lambda _c, _k, sql, *_: seen.append(sql))

    backend.store_result("id-1", 1, "SUCCESS")

    assert [sql.split()[0] for sql in seen] == ["INSERT"]


def test_a_stored_result_is_one_transaction_for_the_server(
    url: str, make_backend: Make, ask: Ask
) -> None:
    """``xmin`` is the transaction that wrote a row: no other one was begun in between.

    Transactions are numbered for the whole server: those of other tests can come in between two
    results, but hardly between any two.
    """
    backend = make_backend(url)
    begun: list[int] = []
    for attempt in range(200):
        for number in range(2):
            backend.store_result(f"id-{attempt}-{number}", 1, "SUCCESS")
        begun.append(
            ask(
                "SELECT max(xmin::text::bigint) - min(xmin::text::bigint) FROM fw_results "
                f"WHERE task_id LIKE 'id-{attempt}-%'"
            )
        )
        if begun[-1] == 1:
            return
    raise AssertionError(f"never one transaction a result: {begun}")


def test_waiting_keeps_one_connection(url: str, make_backend: Make, ask: Ask) -> None:
    backend = make_backend(url)
    counted: list[int] = []

    with pytest.raises(ResultTimeout):
        TaskResult[Any]("id-1", app=backend.app).get(timeout=0.5)
    counted.append(ask(CONNECTIONS))
    with pytest.raises(Exception, match="timed out"):
        backend.app.AsyncResult("id-1").get(timeout=0.5)
    counted.append(ask(CONNECTIONS))

    assert counted == [1, 1]


def test_threads_share_one_connection(url: str, make_backend: Make, ask: Ask) -> None:
    backend = make_backend(url)

    def store(thread: int) -> None:
        for number in range(25):
            backend.store_result(f"id-{thread}-{number}", number, "SUCCESS")

    threads = [threading.Thread(target=store, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ask("SELECT count(*) FROM fw_results") == 200
    assert ask(CONNECTIONS) == 1


def test_a_forked_child_has_its_own_connection_and_leaves_the_parents_alone(
    url: str, make_backend: Make, ask: Ask
) -> None:
    backend = make_backend(url)
    backend.store_result("parent-before", 1, "SUCCESS")
    pid = "SELECT pid FROM pg_stat_activity WHERE application_name = 'fw' AND pid <> "
    parents = ask(pid + "0 AND datname = current_database()")

    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            try:
                backend.store_result(f"child-{number}", number, "SUCCESS")
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    codes = [os.waitpid(child, 0)[1] for child in children]

    backend.store_result("parent-after", 1, "SUCCESS")
    assert codes == [0, 0, 0]
    assert ask("SELECT count(*) FROM fw_results") == 5
    assert ask(pid + "0 AND datname = current_database()") == parents


def test_a_kept_connection_that_the_server_closed_is_replaced(
    url: str, make_backend: Make, ask: Ask
) -> None:
    backend = make_backend(url, store_timeout=5)
    backend.store_result("id-1", 1, "SUCCESS")
    ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'fw' AND datname = current_database()"
    )

    started = time.monotonic()
    backend.store_result("id-2", 2, "SUCCESS")

    assert time.monotonic() - started < 1
    assert backend.load(["id-2"])["id-2"].result == "2"


def test_a_result_is_stored_once_the_server_is_back(
    proxied_url: str, make_backend: Make, proxy: Any, ask: Ask
) -> None:
    backend = make_backend(proxied_url)
    backend.store_result("id-1", 1, "SUCCESS")
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            proxy.mend()

    backend.database = Database(proxied_url, sleep=sleep)
    proxy.refuse()

    backend.store_result("id-2", 2, "SUCCESS")

    assert len(waits) >= 3
    assert ask("SELECT count(*) FROM fw_results") == 2


def test_reading_while_the_server_is_away_ends_within_seconds(
    proxied_url: str, make_backend: Make, proxy: Any
) -> None:
    backend = make_backend(proxied_url)
    backend.load([])
    proxy.refuse()

    started = time.monotonic()
    with pytest.raises(ResultStoreError):
        TaskResult[Any]("id-1", app=backend.app).get(timeout=60)

    assert time.monotonic() - started < 6


def test_storing_while_the_server_is_away_ends_within_the_time_given(
    proxied_url: str, make_backend: Make, proxy: Any
) -> None:
    backend = make_backend(proxied_url, store_timeout=1)
    proxy.refuse()

    started = time.monotonic()
    with pytest.raises(ResultStoreError) as told:
        backend.store_result("id-1", 1, "SUCCESS")

    assert time.monotonic() - started < 3
    shown = "".join(traceback.format_exception(told.value))
    user, password = make_url(proxied_url).username, make_url(proxied_url).password
    assert f":{password}@" not in shown
    assert f"{user}:***@127.0.0.1" in shown


def test_a_server_that_never_answers_does_not_hold_a_reader_for_ever(
    url: str, make_backend: Make
) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        backend = make_backend(f"postgresql://fw:fw@127.0.0.1:{port}/fw", read_timeout=0)

        started = time.monotonic()
        with pytest.raises(ResultStoreError):
            backend.load(["id-1"])

    assert time.monotonic() - started < 6


def test_a_wrong_password_is_told_without_showing_it(url: str, make_backend: Make) -> None:
    wrong = make_url(url).set(password="wr0ng-s3cret").render_as_string(hide_password=False)
    backend = make_backend(wrong, read_timeout=0)

    with pytest.raises(ResultStoreError) as told:
        backend.load(["id-1"])

    assert "wr0ng-s3cret" not in "".join(traceback.format_exception(told.value))
    assert "password" in told.value.cause


def test_a_failed_task_is_told_with_its_error(url: str, make_backend: Make) -> None:
    backend = make_backend(url)
    request = Context(id="id-1", task="shop.pay", retries=3, hostname="worker-1")
    backend.mark_as_failure("id-1", ValueError("x" * 100_000), "frame\n" * 50_000, request)

    with pytest.raises(TaskFailed) as told:
        TaskResult[Any]("id-1", app=backend.app).get(timeout=1)

    assert (told.value.task, told.value.attempts) == ("shop.pay", 4)
    assert len(told.value.error_message) < 9_000
    assert len(told.value.traceback) < 66_000
