"""Each fault on the fake broker: what it does, and what fw does about it."""

from __future__ import annotations

import pytest

from fw_core import NotSent, TaskFailed, current_attempt, task_framework
from fw_testing import Eager, FakeBroker
from fw_testing.faults import FAULTS, fault
from fw_testing.faults.kinds import UnknownFaultError, UnusedFault

ALL = sorted(FAULTS)


@pytest.mark.parametrize("name", ALL)
def test_a_task_that_keeps_its_result_succeeds_under_every_fault(name, fw_eager: Eager) -> None:
    ran: list[int] = []

    @task_framework(retries=1, backoff=1)
    def work() -> str:
        ran.append(current_attempt().number)
        if name == "publish_fails" and len(ran) == 1:
            raise ConnectionError
        return "done"

    with fault(name):
        result = work.delay()
    assert result.get() == "done"
    assert ran


def test_a_lost_acknowledgement_does_not_repeat_what_kept_its_result(fw_eager: Eager) -> None:
    ran: list[bool] = []

    @task_framework
    def keeps() -> None:
        ran.append(current_attempt().redelivered)

    with fault("redelivered"):
        keeps.delay()
    assert ran == [False]


def test_a_lost_acknowledgement_repeats_what_keeps_no_result(fw_eager: Eager) -> None:
    ran: list[bool] = []

    @task_framework(ignore_result=True)
    def keeps_none() -> None:
        ran.append(current_attempt().redelivered)

    with fault("redelivered"):
        keeps_none.delay()
    assert ran == [False, True]


def test_a_process_that_dies_after_the_body_is_a_failed_attempt(fw_eager: Eager) -> None:
    ran: list[int] = []

    @task_framework(retries=2, backoff=3)
    def work() -> None:
        ran.append(current_attempt().number)

    with fault("crash_after_run"):
        work.delay()
    assert ran == [1, 2]
    assert fw_eager.waits == [3]


def test_a_process_that_dies_every_time_ends_as_a_dead_letter(fw_eager: Eager) -> None:
    ran: list[int] = []

    @task_framework(retries=2)
    def work() -> None:
        ran.append(current_attempt().number)

    with fault("crash_before_run", lasting=True):
        result = work.delay()
    assert ran == []
    with pytest.raises(TaskFailed, match="SIGKILL"):
        result.get()
    assert len(fw_eager.dead) == 1


def test_a_slow_body_has_done_its_work_and_times_out(fw_eager: Eager) -> None:
    ran: list[int] = []

    @task_framework(retries=1, timeout=5)
    def work() -> None:
        ran.append(current_attempt().number)

    with fault("slow"):
        work.delay()
    assert ran == [1, 2]
    assert "timeout of 5 s" in str(fw_eager.ran[0].error)


def test_a_duplicated_call_is_there_twice(fw_broker: FakeBroker) -> None:
    @task_framework
    def work() -> None: ...

    with fault("duplicated"):
        work.delay()
    assert len(fw_broker.waiting) == 2
    assert len(fw_broker.sent) == 1


def test_a_duplicate_of_what_kept_its_result_is_not_run(fw_eager: Eager) -> None:
    ran: list[int] = []

    @task_framework
    def keeps() -> None:
        ran.append(1)

    with fault("duplicated"):
        keeps.delay()
    assert ran == [1]


def test_a_refused_next_step_is_sent_again(fw_eager: Eager) -> None:
    @task_framework
    def first() -> int:
        return 1

    @task_framework
    def second(number: int) -> int:
        return number + 1

    with fault("publish_fails") as refused:
        result = (first.s() | second.s()).apply_async()
    assert result.get() == 2
    assert refused.calls == 1
    assert [ran.outcome for ran in fw_eager.ran] == ["succeeded", "succeeded"]


def test_a_broker_that_stays_down_refuses_the_call(fw_broker: FakeBroker) -> None:
    @task_framework
    def work() -> None: ...

    with fault("broker_down", lasting=True), pytest.raises(NotSent, match="refused"):
        work.delay()
    assert fw_broker.waiting == []


def test_a_success_waits_for_the_database(fw_eager: Eager) -> None:
    ran: list[int] = []

    @task_framework
    def work() -> str:
        ran.append(1)
        return "done"

    with fault("database_down"):
        result = work.delay()
    assert ran == [1]
    assert result.get() == "done"


def test_a_fault_that_never_happened_fails_the_block(fw_broker: FakeBroker) -> None:
    with pytest.raises(UnusedFault, match=r"never happened[^$]*Fix: run a task"), fault("slow"):
        pass


def test_an_error_in_the_block_is_not_hidden_by_an_unused_fault(fw_broker: FakeBroker) -> None:
    with pytest.raises(ZeroDivisionError), fault("slow"):
        1 / 0


def test_an_unknown_fault_names_the_nearest(fw_broker: FakeBroker) -> None:
    with pytest.raises(UnknownFaultError, match='faults\\("redelivered"\\)'), fault("redeliverd"):
        pass
