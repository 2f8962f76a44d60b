"""The short way of an attempt and Celery's lead to the same place; neither runs a body twice."""

from __future__ import annotations

import time
from typing import Any

import pytest
from billiard.einfo import ExceptionInfo
from celery import signals
from celery.app import trace
from celery.exceptions import Reject

import fw_testing
from fw_core import GiveUp, RetryLater, current_attempt, task_framework
from fw_core.attempt.failure import AttemptFailed, TaskError
from fw_core.client import current_app
from fw_core.errors import ResultStoreError
from fw_worker.ahead import answers as answers_module
from fw_worker.ahead.answers import Answers
from fw_worker.ahead.board import Board
from fw_worker.ahead.brief import brief_of
from fw_worker.ahead.tracer import Kept, store, trace_alone, trace_call

pytestmark = pytest.mark.usefixtures("declaring")


@pytest.fixture
def broker(monkeypatch):
    with fw_testing.fake_broker() as broker:
        yield broker


@pytest.fixture
def in_process(broker, monkeypatch):
    """As a process of the pool has set up Celery's tracer."""
    app: Any = current_app()
    monkeypatch.setattr(trace, "_localized", [app.tasks, {"application/json"}, "here"])
    by_celery = []
    real = trace.fast_trace_task

    def fast_trace_task(name: str, *call: Any) -> Any:
        by_celery.append(name)
        task = app.tasks[name]
        task.__trace__ = trace.build_tracer(name, task, app.loader, "here", app=app)
        return real(name, *call)

    monkeypatch.setattr(trace, "fast_trace_task", fast_trace_task)
    return by_celery


def brief_in(broker) -> Any:
    """Take the next call from the broker, as the first process sends it to another one."""
    with current_app().connection_for_read() as connection:
        message = connection.default_channel.basic_get("default")
        assert message is not None
        message.ack()
        return brief_of(message, message.headers, message.body)


def row_of(task_id: str) -> Any:
    return current_app().backend.load([task_id]).get(task_id)


def test_a_success_that_nobody_reads_is_all_there_is(broker, in_process):
    runs = []

    @task_framework(ignore_result=True)
    def work(number: int) -> int:
        runs.append((number, current_attempt().number))
        return number

    sent = work.delay(7)
    is_failed, shown, seconds = trace_call(brief_in(broker), is_reported=False)
    assert (is_failed, shown, runs, in_process) == (0, "", [(7, 1)], [])
    assert seconds >= 0
    assert row_of(sent.id) is None


def test_what_was_returned_is_shown_to_who_follows_events(broker, in_process):
    @task_framework(ignore_result=True)
    def work() -> list[int]:
        return [1, 2]

    work.delay()
    assert trace_call(brief_in(broker), is_reported=True)[1] == "[1, 2]"


@pytest.mark.parametrize("error", [ValueError("no"), GiveUp("no"), RetryLater(3), SystemExit(3)])
def test_a_body_that_fails_is_settled_by_celery_and_not_run_again(broker, in_process, error):
    runs = []

    @task_framework(retries=2, backoff=[5])
    def work() -> None:
        runs.append(current_attempt().number)
        raise error

    sent = work.delay()
    is_failed, _, _ = trace_alone(brief_in(broker), is_reported=False)
    assert is_failed
    assert (runs, in_process) == ([1], [work.name])
    state = "FAILURE" if isinstance(error, (GiveUp, SystemExit)) else "RETRY"
    assert row_of(sent.id).state == state


def test_results_are_stored_together(broker, in_process):
    @task_framework
    def work(number: int) -> int:
        return number * 2

    @task_framework
    def parent() -> str:
        return work.delay(1).id

    sent = [work.delay(number) for number in range(3)]
    calls = [brief_in(broker) for _ in sent]
    sent.append(parent.delay())
    calls.append(brief_in(broker))
    kept = [trace_call(call, is_reported=False) for call in calls]
    assert all(isinstance(each, Kept) for each in kept)
    assert [row_of(call.id) for call in sent] == [None] * 4
    assert [traced[:2] for traced in store(kept, is_reported=True)][:3] == [
        (0, "0"),
        (0, "2"),
        (0, "4"),
    ]
    rows = [row_of(call.id) for call in sent]
    assert [(row.state, row.attempts, row.worker) for row in rows] == [("SUCCESS", 1, "here")] * 4
    assert [call.get(timeout=0) for call in sent[:3]] == [0, 2, 4]
    assert sent[3].get(timeout=0) in rows[3].children
    assert in_process == []


def test_where_they_cannot_be_stored_together_each_is_settled_and_none_run_again(
    broker, in_process, monkeypatch
):
    runs = []

    @task_framework
    def work(number: int) -> int:
        runs.append(number)
        return number

    sent = [work.delay(number) for number in range(2)]
    kept = [trace_call(brief_in(broker), is_reported=False) for _ in sent]

    def refuse(_: Any) -> None:
        raise ResultStoreError(database="db", cause="a row is too large", fix="wait")

    monkeypatch.setattr(current_app().backend, "store_successes", refuse)
    assert [traced[0] for traced in store(kept, is_reported=False)] == [0, 0]
    assert runs == [0, 1]
    assert [row_of(call.id).state for call in sent] == ["SUCCESS"] * 2
    assert in_process == [work.name] * 2


def test_a_task_that_somebody_listens_to_takes_celerys_way(broker, in_process):
    heard = []

    @task_framework(ignore_result=True)
    def work() -> None:
        heard.append("run")

    def listen(task_id: str, **_: Any) -> None:
        heard.append("before")

    signals.task_prerun.connect(listen)
    try:
        work.delay()
        trace_alone(brief_in(broker), is_reported=False)
    finally:
        signals.task_prerun.disconnect(listen)
    assert heard == ["before", "run"]
    assert in_process == [work.name]


def test_a_step_with_a_next_one_takes_celerys_way(broker, in_process):
    runs = []

    @task_framework(ignore_result=True)
    def work(number: int) -> int:
        runs.append(number)
        return number + 1

    (work.s(1) | work.s()).apply_async()
    trace_alone(brief_in(broker), is_reported=False)
    assert (runs, in_process) == ([1], [work.name])
    trace_alone(brief_in(broker), is_reported=False)
    assert runs == [1, 2]


@pytest.fixture
def patient(monkeypatch):
    """Results wait until something else makes them be stored."""
    monkeypatch.setattr(answers_module, "TOGETHER_SECONDS", 1e9)
    monkeypatch.setattr(answers_module._latecomer, "watch", lambda _: None)


def test_answers_come_in_the_order_of_their_attempts(broker, in_process, patient):
    @task_framework
    def keep(number: int) -> int:
        return number

    @task_framework(ignore_result=True)
    def drop(number: int) -> int:
        return number

    for task in (keep, keep, drop, keep):
        task.delay(1)
    place = Board().take(4)
    answers = Answers(place, is_reported=True)
    settled = []
    for _ in range(4):
        answers.add((True, trace_call(brief_in(broker), is_reported=True)))
        settled.append(place.settled)
    assert settled == [0, 0, 3, 3]
    assert [value[1] for _, value in answers.all()] == ["1"] * 4
    assert place.settled == 4


def failed(error: BaseException) -> ExceptionInfo:
    try:
        raise error
    except BaseException:
        return ExceptionInfo()


REJECTED = (True, (1, failed(Reject("not now", requeue=True)), None))
UNTRACED = (False, failed(ValueError("no")))
GONE = (True, (1, failed(AttemptFailed(TaskError("E", "no"))), None))
DONE = (True, (0, "", 0.1))


@pytest.mark.parametrize("answer", [REJECTED, UNTRACED])
def test_an_answer_that_is_still_to_be_settled_is_the_last_one(answer):
    """Whatever becomes of this process then, no message before it is forgotten, nor this one."""
    place = Board().take(4)
    answers = Answers(place, is_reported=False)
    assert answers.add(DONE)
    assert answers.add(GONE)
    assert not answers.add(answer)
    assert place.settled == 2
    assert place.done == 1
    assert answers.all() == [GONE, answer]


def test_results_that_are_settled_one_by_one_stop_at_one_that_is_not(
    broker, in_process, patient, monkeypatch
):
    @task_framework
    def keep(number: int) -> int:
        return number

    for number in range(3):
        keep.delay(number)
    place = Board().take(4)
    answers = Answers(place, is_reported=False)
    for _ in range(3):
        assert answers.add((True, trace_call(brief_in(broker), is_reported=False)))
    traced = [DONE[1], REJECTED[1], DONE[1]]
    monkeypatch.setattr(answers_module, "store", lambda *_, **__: traced)
    assert not answers.add(DONE)
    assert (place.settled, place.done) == (1, 1)
    assert [value for _, value in answers.all()] == [*traced[1:], DONE[1]]


def test_a_step_with_a_next_one_took_as_long_as_its_body(broker, in_process):
    @task_framework(ignore_result=True)
    def work(number: int) -> int:
        began = time.monotonic()
        while time.monotonic() < began + 0.01:
            pass
        return number

    (work.s(1) | work.s()).apply_async()
    assert trace_alone(brief_in(broker), is_reported=False)[2] >= 0.01
