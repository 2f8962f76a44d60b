"""One statement for each stored state, readable through Celery's own ``AsyncResult``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from celery import Celery
from celery.app.task import Context
from celery.exceptions import TimeoutError as CeleryTimeout
from celery.result import GroupResult
from kombu.exceptions import EncodeError
from sqlalchemy import event, text

from fw_core.attempt.failure import AttemptFailed
from fw_core.database import schema
from fw_core.database.engine import engine_for
from fw_core.results.backend import ResultBackend


def request(task_id: str = "id-1", **given: Any) -> Context:
    """What Celery's tracer knows of a message."""
    facts = {
        "id": task_id,
        "task": "shop.pay",
        "retries": 0,
        "hostname": "worker-1",
        "args": ("the card number",),
        "kwargs": {"pin": "the pin"},
    }
    return Context({**facts, **given})


@pytest.fixture
def statements(backend: ResultBackend) -> list[str]:
    """The SQL that is sent from here on, tables being there already."""
    schema.ensure_local("sqlite://")
    seen: list[str] = []
    event.listen(
        engine_for("sqlite://"), "before_cursor_execute", lambda _c, _k, sql, *_: seen.append(sql)
    )
    return seen


def test_a_stored_result_is_one_statement(backend: ResultBackend, statements: list[str]) -> None:
    backend.mark_as_done("id-1", {"paid": True}, request=request())

    [statement] = statements
    assert statement.startswith("INSERT INTO fw_results")
    assert "ON CONFLICT" in statement


def test_reading_is_one_statement_however_many_are_read(
    backend: ResultBackend, statements: list[str]
) -> None:
    backend.load([f"id-{n}" for n in range(100)])

    assert len(statements) == 1


def test_no_tables_are_made_or_changed_once_they_are_there(
    app: Celery, backend: ResultBackend, statements: list[str]
) -> None:
    backend.store_result("id-1", 1, "SUCCESS")
    app.AsyncResult("id-1").get()
    app.GroupResult("group-1", [app.AsyncResult("id-1")]).save()
    app.AsyncResult("id-1").forget()

    assert {statement.split()[0] for statement in statements} == {"INSERT", "SELECT", "DELETE"}


def test_a_success_is_read_as_it_was_returned(app: Celery, backend: ResultBackend) -> None:
    backend.mark_as_done("id-1", {"paid": True}, request=request())

    result = app.AsyncResult("id-1")
    assert result.get(timeout=1) == {"paid": True}
    assert (result.state, result.name, result.worker) == ("SUCCESS", "shop.pay", "worker-1")
    assert datetime.now(UTC) - result.date_done < timedelta(minutes=1)


def test_a_failure_raises_what_stands_for_the_tasks_error(
    app: Celery, backend: ResultBackend
) -> None:
    backend.mark_as_failure("id-1", ZeroDivisionError("by zero"), "Traceback …", request())

    result = app.AsyncResult("id-1")
    with pytest.raises(AttemptFailed, match="ZeroDivisionError: by zero"):
        result.get(timeout=1)
    assert (result.state, result.traceback) == ("FAILURE", "Traceback …")
    assert repr(result.info) == "ZeroDivisionError('by zero')"


def test_reading_an_error_never_imports_its_class(app: Celery, backend: ResultBackend) -> None:
    Planted = type("system", (Exception,), {"__module__": "os"})
    backend.mark_as_failure("id-1", Planted("rm"), None, request())

    assert type(app.AsyncResult("id-1").result) is AttemptFailed


def test_a_retry_can_be_seen_with_its_error(app: Celery, backend: ResultBackend) -> None:
    backend.mark_as_retry("id-1", ConnectionError("away"), "Traceback …", request(retries=2))

    result = app.AsyncResult("id-1")
    assert (result.state, str(result.info)) == ("RETRY", "ConnectionError: away")
    assert backend.load(["id-1"])["id-1"].attempts == 3


def test_what_has_no_row_is_pending(app: Celery) -> None:
    result = app.AsyncResult("nobody")

    assert (result.state, result.result, result.exists()) == ("PENDING", None, False)


def test_forget_deletes_the_row(app: Celery, backend: ResultBackend) -> None:
    backend.mark_as_done("id-1", 1, request=request())

    app.AsyncResult("id-1").forget()

    assert backend.load(["id-1"]) == {}


def test_a_saved_group_is_restored_with_its_shape(app: Celery, backend: ResultBackend) -> None:
    one, two = app.AsyncResult("id-1"), app.AsyncResult("id-2")
    group = app.GroupResult("group-1", [one, app.GroupResult("inner", [two])])
    group.save()
    group.save()  # again, as a redelivered task would
    for task_id in ("id-1", "id-2"):
        backend.store_result(task_id, task_id, "SUCCESS")

    restored = GroupResult.restore("group-1", app=app)
    assert restored == group
    assert restored.results[1].get(timeout=1) == ["id-2"]
    restored.delete()
    assert GroupResult.restore("group-1", app=app) is None


def test_the_calls_that_a_task_made_are_its_children(app: Celery, backend: ResultBackend) -> None:
    made = request()
    made.children.append(app.AsyncResult("id-2"))

    backend.mark_as_done("id-1", None, request=made)

    assert app.AsyncResult("id-1").children == [app.AsyncResult("id-2")]


def test_arguments_are_never_stored(backend: ResultBackend) -> None:
    backend.app.conf.result_extended = True

    backend.mark_as_done("id-1", 1, request=request())

    with engine_for("sqlite://").connect() as connection:
        [row] = connection.execute(text("SELECT * FROM fw_results"))
    assert "the card number" not in str(row)
    assert "the pin" not in str(row)


def test_what_is_no_json_is_refused_before_anything_is_stored(backend: ResultBackend) -> None:
    with pytest.raises(EncodeError):
        backend.mark_as_done("id-1", object(), request=request())

    assert backend.load(["id-1"]) == {}


ENDS = {"SUCCESS": 2, "FAILURE": 1, "REVOKED": 1}
STATES = ["STARTED", "RETRY", "PROGRESS", *ENDS]


@pytest.mark.parametrize(("stored", "later"), list(product(STATES, STATES)))
def test_a_later_state_wins_unless_it_says_less_of_the_end(
    backend: ResultBackend, stored: str, later: str
) -> None:
    """SUCCESS before FAILURE and REVOKED before everything else."""

    def store(state: str, word: str) -> None:
        value = ValueError(word) if state in {"RETRY", "FAILURE", "REVOKED"} else word
        backend.store_result("id-1", value, state, request=request())

    store(stored, "first")
    store(later, "second")

    wins = ENDS.get(later, 0) >= ENDS.get(stored, 0)
    row = backend.load(["id-1"])["id-1"]
    assert row.state == (later if wins else stored)
    assert (row.error_message or row.result or "").strip('"') == ("second" if wins else "first")


def test_a_success_leaves_nothing_of_the_retries_before_it(backend: ResultBackend) -> None:
    backend.store_result("id-1", {"pid": 1}, "STARTED", request=request())
    backend.mark_as_retry("id-1", ValueError("x"), "Traceback …", request())
    started = backend.load(["id-1"])["id-1"]
    backend.mark_as_done("id-1", 1, request=request(retries=1))

    row = backend.load(["id-1"])["id-1"]
    assert (row.error, row.traceback, row.attempts) == (None, None, 2)
    assert row.created_at == started.created_at
    assert row.started_at == started.started_at
    assert row.finished_at is not None
    assert row.finished_at >= row.created_at
    assert row.finished_at.tzinfo is not None


def test_a_result_keeps_where_it_came_from(backend: ResultBackend) -> None:
    origin = request(parent_id="parent", root_id="root", group="group-1")
    backend.store_result("id-1", {"pid": 1}, "STARTED", request=origin)

    backend.mark_as_failure("id-1", ValueError("x"), None)  # told without its message

    row = backend.load(["id-1"])["id-1"]
    assert (row.parent_id, row.root_id, row.group_id) == ("parent", "root", "group-1")
    assert (row.task_name, row.worker, row.attempts) == ("shop.pay", "worker-1", 1)


def test_a_failure_that_no_attempt_made_counts_none(backend: ResultBackend) -> None:
    backend.mark_as_failure("id-1", ValueError("x"), None)

    assert backend.load(["id-1"])["id-1"].attempts == 0


def test_a_task_without_a_result_leaves_a_row_only_when_it_fails(backend: ResultBackend) -> None:
    ignored = request(ignore_result=True)

    backend.mark_as_retry("id-1", ValueError("x"), None, ignored)
    backend.mark_as_done("id-1", 1, request=ignored)
    assert backend.load(["id-1"]) == {}

    backend.mark_as_failure("id-1", ValueError("x"), None, ignored)
    assert backend.load(["id-1"])["id-1"].state == "FAILURE"


def test_waiting_for_a_group_looks_at_all_its_members_at_once(
    app: Celery, backend: ResultBackend, statements: list[str]
) -> None:
    ids = [f"id-{n}" for n in range(10)]
    for number, task_id in enumerate(ids):
        backend.store_result(task_id, number, "SUCCESS")
    statements.clear()

    group = app.GroupResult("group-1", [app.AsyncResult(task_id) for task_id in ids])

    assert group.get(timeout=1) == list(range(10))
    assert len(statements) == 1


def test_celerys_own_waiting_ends_when_its_time_is_over(app: Celery) -> None:
    with pytest.raises(CeleryTimeout):
        app.AsyncResult("nobody").get(timeout=0)


def test_the_banner_of_a_worker_shows_no_password(app: Celery) -> None:
    backend = ResultBackend(app, "postgresql://fw:s3cret@db/fw")

    assert backend.as_uri() == "postgresql+psycopg2://fw:***@db/fw"


def test_threads_share_one_backend(app: Celery, backend: ResultBackend) -> None:
    from threading import Thread

    seen: list[object] = []
    thread = Thread(target=lambda: seen.append(app.backend))
    thread.start()
    thread.join()

    assert seen == [backend]


def test_the_time_to_wait_for_the_database_can_be_configured(app: Celery) -> None:
    app.conf.result_backend_transport_options = {"store_timeout": 2, "read_timeout": 1}

    configured = ResultBackend(app, "sqlite://")
    given = ResultBackend(app, "sqlite://", store_timeout=0.5)

    assert (configured.store_timeout, configured.read_timeout) == (2, 1)
    assert (given.store_timeout, given.read_timeout) == (0.5, 1)
