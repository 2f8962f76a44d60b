"""A join sends what waits for it when all members have ended, and only then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from threading import Barrier, Thread
from typing import Any

import pytest
from celery import Celery
from celery.app.task import Context
from celery.signals import before_task_publish
from kombu.exceptions import OperationalError
from sqlalchemy import update

from fw_core.database.engine import engine_for
from fw_core.database.tables import joins
from fw_core.errors import ResultStoreError, TaskFailed
from fw_core.results import join_rows
from fw_core.results.backend import ResultBackend
from fw_core.results.handle import TaskResult
from fw_core.results.join_rows import LEASE

Sent = list[tuple[str, Any]]


@pytest.fixture
def sent(app: Celery) -> Iterator[Sent]:
    """The id and the first argument of every message, in order."""
    messages: Sent = []

    def note(headers: dict[str, Any], body: Any, **_: Any) -> None:
        messages.append((headers["id"], body[0][0]))

    @app.task(name="report", shared=False)
    def report(values: list[Any]) -> None: ...

    before_task_publish.connect(note)
    yield messages
    before_task_publish.disconnect(note)


@pytest.fixture
def end(app: Celery, backend: ResultBackend, sent: Sent) -> Callable[..., None]:
    """Report that a member of a join of three has ended, as Celery's tracer does."""
    waiting = app.signature("report", task_id="the-report")
    header = [app.AsyncResult(f"member-{n}") for n in range(3)]
    backend.apply_chord(("join-1", header), waiting)

    def end(number: int, outcome: Any = "its number", **other: Any) -> None:
        facts = {
            "id": f"member-{number}",
            "task": "pay",
            "hostname": "worker-1",
            "group": "join-1",
            "group_index": number,
            "chord": dict(waiting),
        }
        request = Context({**facts, **other})
        if isinstance(outcome, Exception):
            backend.mark_as_failure(request.id, outcome, None, request)
        else:
            value = number if outcome == "its number" else outcome
            backend.mark_as_done(request.id, value, request)

    return end


def test_a_failed_join_is_sent_when_replays_have_mended_all_its_failures(
    end: Callable[..., None], sent: Sent, backend: ResultBackend
) -> None:
    end(0, ValueError("no"))
    end(1)
    end(2, ValueError("no"))
    assert backend.get_state("the-report") == "FAILURE"

    end(0)
    assert sent == []
    end(2)
    assert sent == [("the-report", [0, 1, 2])]


def test_a_mended_join_is_sent_once_however_often_its_members_are_delivered(
    end: Callable[..., None], sent: Sent
) -> None:
    for number in (0, 1):
        end(number)
    end(2, ValueError("no"))

    for _ in range(3):
        end(2)
        end(0)

    assert [task_id for task_id, _ in sent] == ["the-report"]


def test_what_waits_is_sent_when_the_last_member_ends_with_all_values_in_order(
    end: Callable[..., None], sent: Sent
) -> None:
    end(2)
    end(0)
    assert sent == []
    end(1)

    assert sent == [("the-report", [0, 1, 2])]


def test_a_member_that_is_delivered_again_counts_once(end: Callable[..., None], sent: Sent) -> None:
    for number in (0, 0, 1, 1, 0):
        end(number)

    assert sent == []


def test_what_waits_is_not_sent_again_when_members_are_delivered_again_later(
    end: Callable[..., None], sent: Sent
) -> None:
    for number in (0, 1, 2, 2, 0, 1):
        end(number)

    assert len(sent) == 1


def test_members_may_return_nothing(end: Callable[..., None], sent: Sent) -> None:
    for number in range(3):
        end(number, None)

    assert sent == [("the-report", [None, None, None])]


def test_members_that_keep_no_result_join_as_well(
    end: Callable[..., None], backend: ResultBackend, sent: Sent
) -> None:
    for number in range(3):
        end(number, ignore_result=True)

    assert sent == [("the-report", [0, 1, 2])]
    assert backend.load(["member-0"]) == {}


def test_a_failed_member_fails_what_waits_and_is_named(
    app: Celery, end: Callable[..., None], sent: Sent
) -> None:
    end(0)
    end(1, ValueError("no money"))
    end(2)

    with pytest.raises(TaskFailed) as told:
        TaskResult[Any]("the-report", app=app).get(timeout=0)
    assert "pay (member-1) failed: ValueError: no money" in told.value.error_message
    assert told.value.attempts == 0
    assert sent == []


def test_a_failed_member_whose_replay_succeeds_in_time_does_not_fail_the_join(
    end: Callable[..., None], sent: Sent
) -> None:
    end(0, ValueError("no money"))
    end(0)
    end(0, ValueError("late news of the first attempt"))
    end(1)
    end(2)

    assert sent == [("the-report", [0, 1, 2])]


@pytest.fixture
def away(broker: Any) -> Any:
    """The broker, which does not take the report."""
    broker.refuses = "report"
    broker.error = OperationalError("broker away")
    return broker


def test_what_waits_is_sent_by_a_later_delivery_when_the_broker_was_away(
    end: Callable[..., None], sent: Sent, away: Any
) -> None:
    end(0)
    end(1)
    with pytest.raises(OperationalError):
        end(2)
    away.error = None
    end(2)

    assert sent == [("the-report", [0, 1, 2])]


def test_any_member_may_send_what_another_could_not(
    end: Callable[..., None], sent: Sent, away: Any
) -> None:
    end(0)
    end(1)
    with pytest.raises(OperationalError):
        end(2)
    away.error = None
    end(0)

    assert sent == [("the-report", [0, 1, 2])]


class CrashError(BaseException):
    """Stands for a process that dies at this point."""


def test_after_a_crash_before_it_was_sent_it_is_sent_under_the_same_id(
    end: Callable[..., None], sent: Sent, away: Any
) -> None:
    end(0)
    end(1)
    away.error = CrashError()
    with pytest.raises(CrashError):
        end(2)
    away.error = None
    end(2)

    assert sent == [("the-report", [0, 1, 2])]


def test_after_a_crash_before_it_was_marked_as_sent_it_is_sent_again_under_the_same_id(
    end: Callable[..., None], sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise CrashError

    end(0)
    end(1)
    with monkeypatch.context() as patched:
        patched.setattr(join_rows, "mark_fired", crash)
        with pytest.raises(CrashError):
            end(2)
    end(2)
    end(2)

    assert sent == [("the-report", [0, 1, 2])] * 2


def test_a_claim_is_respected_by_others_until_its_lease_is_over(
    end: Callable[..., None], sent: Sent, away: Any
) -> None:
    end(0)
    end(1)
    away.error = CrashError()
    with pytest.raises(CrashError):
        end(2)
    away.error = None

    end(0)
    assert sent == []
    with engine_for("sqlite://").begin() as connection:
        connection.execute(update(joins).values(claimed_at=datetime.now(UTC) - 2 * LEASE))
    end(0)
    assert len(sent) == 1


def test_what_can_never_be_sent_is_told_to_whoever_waits_for_it(
    app: Celery, end: Callable[..., None], sent: Sent, away: Any
) -> None:
    away.error = TypeError("report() takes no list")
    for number in range(3):
        end(number)

    with pytest.raises(TaskFailed, match="takes no list"):
        TaskResult[Any]("the-report", app=app).get(timeout=0)


def test_members_that_end_at_the_same_moment_send_what_waits_once(
    end: Callable[..., None], sent: Sent
) -> None:
    together = Barrier(6)

    def member(number: int) -> None:
        together.wait()
        end(number)

    threads = [Thread(target=member, args=(n % 3,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # Both copies of the member that made it full may send: that is the crash rule.
    assert {task_id for task_id, _ in sent} == {"the-report"}
    assert 1 <= len(sent) <= 2


def test_a_join_whose_size_nobody_told_fails_instead_of_waiting_for_ever(
    app: Celery, end: Callable[..., None], sent: Sent
) -> None:
    foreign = {"task": "report", "options": {"task_id": "the-report"}, "args": [], "kwargs": {}}

    end(0, chord=foreign)

    with pytest.raises(TaskFailed, match="do not say how many"):
        TaskResult[Any]("the-report", app=app).get(timeout=0)


def test_a_member_that_cannot_be_counted_is_told(app: Celery) -> None:
    backend = ResultBackend(app, "postgresql://fw:fw@127.0.0.1:1/fw", store_timeout=0)
    request = Context(id="member-0", group="join-1", chord={"task": "report", "chord_size": 2})

    with pytest.raises(ResultStoreError):
        backend.on_chord_part_return(request, "SUCCESS", 1)
