"""What is kept of a workflow while it runs, step by step."""

from __future__ import annotations

import pytest

from fw_core import (
    GiveUp,
    NotSent,
    ResultStoreError,
    TaskFailed,
    WorkflowError,
    after_commit,
    execute_dynamic_workflow,
    register_task,
    task_framework,
)
from fw_core.client import current_app
from fw_core.errors import NothingToRetry, UnknownWorkflow
from fw_core.workflow import history
from fw_core.workflow.plan import plan_of
from fw_core.workflow.result import WorkflowResult
from fw_core.workflow.running import run_plan
from fw_core.workflow.state import State
from fw_worker.workflows import retry

PLAN = ["words", {"each": "measure"}, "total"]


@pytest.fixture
def bad() -> set[str]:
    """Tasks; of the words in this set no length is known."""
    bad: set[str] = set()

    @register_task("words")
    def words(text: str) -> list[str]:
        return text.split()

    @register_task("measure")
    @task_framework(name="measure", retries=1, backoff=3)
    def measure(word: str) -> int:
        if word in bad:
            raise ValueError(f"no length of {word}")
        return len(word)

    @register_task("total")
    @task_framework(name="total", ignore_result=True)
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @register_task("gives-up")
    def gives_up(text: str) -> str:
        raise GiveUp("never")

    return bad


def states(sent: WorkflowResult) -> dict[str, tuple[str, int]]:
    return {step.path: (str(step.state), step.attempts) for step in sent.steps()}


def test_a_workflow_is_known_before_its_first_step_runs(fw_broker, bad):
    sent = execute_dynamic_workflow(PLAN, "a bb")
    assert (sent.status().state, sent.status().steps) == (State.WAITING, ())
    assert sent.status().plan == plan_of(PLAN)
    assert [each.id for each in history.newest(current_app(), most=5)] == [sent.id]


def test_its_steps_are_seen_as_they_end(fw_broker, bad):
    bad.add("bb")
    sent = execute_dynamic_workflow(PLAN, "a bb")
    fw_broker.run_next()
    fw_broker.run_next()
    fw_broker.run_next()
    assert states(sent) == {
        "steps[0]": ("succeeded", 1),
        "steps[1].each[0]": ("succeeded", 1),
        "steps[1].each[1]": ("retrying", 1),
    }
    assert str(sent.steps()[2].error) == "ValueError: no length of bb"
    assert sent.status().state is State.RUNNING
    bad.clear()
    fw_broker.advance(60)
    fw_broker.drain()
    assert states(sent) == {
        "steps[0]": ("succeeded", 1),
        "steps[1].each[0]": ("succeeded", 1),
        "steps[1].each[1]": ("succeeded", 2),
        "steps[2]": ("succeeded", 1),
    }
    assert (sent.status().state, sent.get(timeout=0)) == (State.SUCCEEDED, 3)
    times = [(step.started_at, step.finished_at) for step in sent.steps()]
    assert all(began and ended and began <= ended for began, ended in times)


def test_one_name_after_the_other_has_a_state_as_well(fw_eager, bad):
    sent = execute_dynamic_workflow(["words"], "a")
    assert states(sent) == {"steps[0]": ("succeeded", 1)}


def test_a_failed_member_fails_the_whole_at_once_and_is_named(fw_broker, bad):
    bad.add("a")
    sent = execute_dynamic_workflow([*PLAN[:2], "total"], "a bb ccc")
    fw_broker.run_next()
    assert fw_broker.run_next().outcome == "retry"
    fw_broker.advance(60)
    while fw_broker.run_next().outcome != "failed":
        pass
    assert sent.status().state is State.FAILED
    assert sent.status().failed_step == "steps[1].each[0]"
    with pytest.raises(TaskFailed, match=r"measure at steps\[1\].each\[0\] .* ran 2 times") as told:
        sent.get(timeout=0)
    assert told.value.error_message == "no length of a"
    assert f"fw workflow retry {sent.id}" in str(told.value)
    error = sent.error
    fw_broker.drain()  # the others end, and with them the join
    assert (sent.status().error, sent.status().state) == (error, State.FAILED)


def test_the_last_member_to_fail_is_named_and_not_its_join(fw_broker, bad):
    bad.update({"a", "bb"})
    sent = execute_dynamic_workflow(PLAN, "a bb")
    fw_broker.drain()
    fw_broker.advance(60)
    fw_broker.drain()
    assert str(sent.status().error) == "ValueError: no length of a"
    with pytest.raises(TaskFailed, match="no length of a"):
        sent.get(timeout=0)


def test_a_failed_workflow_goes_on_from_the_step_that_failed(fw_broker, bad):
    bad.add("bb")
    sent = execute_dynamic_workflow(PLAN, "a bb ccc")
    fw_broker.drain()
    fw_broker.advance(60)
    fw_broker.drain()
    assert sent.status().state is State.FAILED
    ran = len(fw_broker.ran)

    bad.clear()
    assert retry(current_app(), sent.id) == ["steps[1].each[1]"]
    assert sent.status().state is State.RUNNING
    assert states(sent)["steps[1].each[1]"] == ("retrying", 2)
    fw_broker.drain()
    assert (sent.status().state, sent.get(timeout=0)) == (State.SUCCEEDED, 6)
    assert [each.task for each in fw_broker.ran[ran:]] == ["measure", "total"]


def test_it_may_fail_and_go_on_again(fw_broker, bad):
    bad.add("bb")
    sent = execute_dynamic_workflow(PLAN, "a bb")
    for _ in range(3):
        fw_broker.drain()
        fw_broker.advance(60)
        fw_broker.drain()
        assert sent.status().state is State.FAILED
        retry(current_app(), sent.id)
    bad.clear()
    fw_broker.drain()
    assert sent.get(timeout=0) == 3


def test_what_has_not_failed_is_not_continued(fw_broker, bad):
    sent = execute_dynamic_workflow(["words", "measure"], "a")
    with pytest.raises(NothingToRetry, match="its first steps wait for a worker"):
        retry(current_app(), sent.id)
    with pytest.raises(UnknownWorkflow, match="fw workflow list"):
        retry(current_app(), "nobody's")


def test_a_cancelled_workflow_begins_no_step(fw_broker, bad):
    sent = execute_dynamic_workflow(PLAN, "a bb")
    fw_broker.run_next()
    assert sent.cancel()
    assert not sent.cancel()
    fw_broker.drain()
    assert states(sent) == {
        "steps[0]": ("succeeded", 1),
        "steps[1].each[0]": ("cancelled", 1),
        "steps[1].each[1]": ("cancelled", 1),
    }
    assert [each.task for each in fw_broker.ran if each.outcome == "succeeded"] == ["words"]
    assert fw_broker.dead == []
    assert sent.status().state is State.CANCELLED
    with pytest.raises(TaskFailed, match="WorkflowCancelled"):
        sent.get(timeout=0)
    with pytest.raises(NothingToRetry, match="it was cancelled"):
        retry(current_app(), sent.id)


def test_an_ended_workflow_is_not_cancelled(fw_eager, bad):
    sent = execute_dynamic_workflow(["words"], "a")
    assert not sent.cancel()
    assert sent.status().state is State.SUCCEEDED


def test_the_same_id_twice_is_one_workflow(fw_broker, bad):
    plan = plan_of(PLAN)
    first = run_plan(plan, "a bb", workflow_id="order-7")
    assert run_plan(plan, "a bb", workflow_id="order-7").id == first.id == "order-7"
    fw_broker.drain()
    run_plan(plan, "a bb", workflow_id="order-7")
    fw_broker.drain()
    assert [each.task for each in fw_broker.ran].count("words") == 1
    assert first.get(timeout=0) == 3


@pytest.mark.parametrize("id", ["", "x" * 201, "a\nb", 7])
def test_an_id_that_is_none_is_refused(fw_broker, bad, id):
    with pytest.raises(WorkflowError, match="A workflow's id is a text of 1 to 200 characters"):
        execute_dynamic_workflow(["words"], "a", id=id)
    assert fw_broker.sent == []


def test_a_workflow_that_is_not_sent_is_forgotten(fw_broker, bad, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise NotSent(task="words", task_id="1", broker="amqp://b", cause="it is away")

    monkeypatch.setattr("fw_core.workflow.running.send_all", refuse)
    with pytest.raises(NotSent):
        execute_dynamic_workflow(PLAN, "a bb")
    assert history.newest(current_app(), most=5) == []


def test_a_workflow_of_which_a_part_was_sent_is_not_forgotten(fw_broker, bad, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        calls = {"1": "words", "2": "words"}
        raise NotSent(calls=calls, confirmed={"1"}, broker="amqp://b", cause="it is away")

    monkeypatch.setattr("fw_core.workflow.running.send_all", refuse)
    with pytest.raises(NotSent):
        execute_dynamic_workflow({"parallel": ["words", "words"]}, "a bb")
    assert [each.state for each in history.newest(current_app(), most=5)] == [State.WAITING]


def test_one_that_was_noted_and_never_sent_is_started_by_retry(fw_broker, bad):
    """Whoever started it died between the two."""
    history.note(current_app(), "order-8", plan_of(PLAN), "a bb")
    assert retry(current_app(), "order-8") == []
    fw_broker.drain()
    assert history.state_of(current_app(), "order-8").state is State.SUCCEEDED


@pytest.mark.parametrize("plan", [PLAN, ["words"], {"parallel": ["words", "words"]}])
def test_a_workflow_that_waits_for_a_transaction_is_known_when_it_begins(fw_broker, bad, plan):
    from sqlalchemy.orm import Session

    for is_committed in (False, True):
        session = Session()
        with after_commit(session):
            sent = execute_dynamic_workflow(plan, "a bb")
        assert history.newest(current_app(), most=5) == []
        session.commit() if is_committed else session.rollback()
        fw_broker.drain()
    assert [each.id for each in history.newest(current_app(), most=5)] == [sent.id]
    assert (sent.status().state, sent.status().plan) == (State.SUCCEEDED, plan_of(plan))


def test_nothing_is_sent_of_a_workflow_that_cannot_be_noted(fw_broker, bad, monkeypatch):
    def fail(*_: object, **__: object) -> bool:
        raise ResultStoreError(database="db", cause="away", fix="start it")

    monkeypatch.setattr(history, "note", fail)
    with pytest.raises(ResultStoreError):
        execute_dynamic_workflow(PLAN, "a bb")
    assert fw_broker.sent == []
