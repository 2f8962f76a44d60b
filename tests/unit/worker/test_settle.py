"""What follows an attempt: kept first, followed up next, acknowledged last, whatever is away."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import chain, chord, group, signals
from celery.exceptions import Reject
from celery.worker import state
from database_away import Away, database_away
from kombu.message import Message

from fw_core import current_attempt, execute_dynamic_workflow, register_task, task_framework
from fw_core.attempt.outcome import Cause
from fw_core.broker.publish import Letter, Unconfirmed
from fw_core.client import current_app
from fw_core.headers import DEAD, REPLAYED
from fw_worker import outcomes
from fw_worker.again import is_in_hand
from fw_worker.dead_letters.death import Death
from fw_worker.earlier import MOST_STARTS
from fw_worker.strategy import OFTEN

pytestmark = pytest.mark.filterwarnings("error")


@contextmanager
def broker_refusing(refuses: Callable[[Letter], bool]) -> Iterator[None]:
    amqp: Any = current_app().amqp

    def post(producer: Any, letter: Letter, **options: Any) -> None:
        if refuses(letter):
            raise Unconfirmed("no confirm in time", maybe=False)
        type(amqp).post(amqp, producer, letter, **options)

    amqp.post = post
    try:
        yield
    finally:
        del amqp.post


def is_call(letter: Letter) -> bool:
    return letter.is_call


def queued(name: str) -> list[Any]:
    """The messages of one of the framework's own queues."""
    with current_app().connection_for_read() as connection:
        return connection.transport.store.messages(name)


def give_back(queue: str = "default") -> None:
    """A worker fetched the first message and went away."""
    with current_app().connection_for_read() as connection:
        message = connection.default_channel.basic_get(queue)
        message.reject(requeue=True)


def death_of(dead: Any) -> Death:
    [view] = [view for view in queued("fw.dead") if view.headers["id"] == dead.id]
    death = Death.from_header(view.headers[DEAD])
    assert death is not None
    return death


@contextmanager
def acknowledgements_lost() -> Iterator[None]:
    """The connection breaks before an acknowledgement is written."""
    original = Message.ack_log_error
    Message.ack_log_error = lambda self, *_, **__: self.channel.basic_reject(
        self.delivery_tag, requeue=True
    )
    try:
        yield
    finally:
        Message.ack_log_error = original


@pytest.fixture(autouse=True)
def _collected_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an attempt leaves in the broker stays there to be looked at."""
    monkeypatch.setenv("FW_COLLECT_DEAD_LETTERS", "false")


@pytest.fixture
def runs() -> list[Any]:
    return []


# Success


def test_a_result_is_stored_before_the_next_step_is_sent(fw_broker):
    """Sent first, a step that is delivered again would multiply the workflow."""

    @register_task("first")
    def first(data: str) -> str:
        return data + "!"

    @register_task("second")
    def second(data: str) -> str:
        return data

    seen = []

    def note(headers: Any, **_: Any) -> None:
        if headers["task"] == "second":
            seen.append(first.result(headers["parent_id"]).state)

    last = execute_dynamic_workflow(["first", "second"], "data")
    with_note = signals.before_task_publish.connect(note, weak=False)
    try:
        fw_broker.drain()
    finally:
        signals.before_task_publish.disconnect(with_note)

    assert seen == ["SUCCESS"]
    assert last.get(timeout=0) == "data!"


def test_a_success_waits_in_the_broker_while_the_database_is_away(fw_broker, runs):
    @task_framework
    def work() -> str:
        runs.append(1)
        return "done"

    result = work.delay()
    with database_away():
        fw_broker.drain()
        [kept] = queued("fw.outcomes")
    assert result.state == "PENDING"

    outcomes.store(current_app(), outcomes.KeptOutcome.from_body(kept.body))

    assert result.get(timeout=0) == "done"
    assert runs == [1]


def test_a_task_that_keeps_no_result_needs_no_database(fw_broker, runs):
    @task_framework(ignore_result=True)
    def work() -> None:
        runs.append(1)

    work.delay()
    with database_away():
        fw_broker.drain()

    assert runs == [1]
    assert not queued("fw.outcomes")
    assert not fw_broker.waiting


def test_a_workflow_goes_on_while_the_database_is_away_each_step_once(fw_broker, runs):
    for name in ("a", "b", "c"):

        @register_task(name)
        def step(data: str) -> str:
            runs.append(current_attempt().task)
            return data + "."

    last = execute_dynamic_workflow(["a", "b", "c"], "x")
    with database_away():
        fw_broker.drain()
        kept = queued("fw.outcomes")
    for message in kept:
        outcomes.store(current_app(), outcomes.KeptOutcome.from_body(message.body))

    assert runs == ["a", "b", "c"]
    assert last.get(timeout=0) == "x..."


def test_a_join_is_counted_when_the_database_is_back(fw_broker):
    @task_framework
    def member(number: int) -> int:
        return number

    @task_framework
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    result = chord([member.s(1), member.s(2)])(total.s())
    with database_away():
        fw_broker.drain()
        kept = queued("fw.outcomes")
    for message in [*kept, *kept]:  # twice does no harm
        outcomes.store(current_app(), outcomes.KeptOutcome.from_body(message.body))
    fw_broker.drain()

    assert total.result(result.id).get(timeout=0) == 3
    assert len(fw_broker.ran) == 3


def test_an_outcome_that_nobody_takes_keeps_its_message(fw_broker):
    """Enough outcomes wait in the broker: then the message itself does."""

    @task_framework
    def work() -> str:
        return "done"

    result = work.delay()
    with database_away(), broker_refusing(lambda letter: letter.exchange == "fw.outcomes"):
        fw_broker.run_next()
    assert [message.id for message in fw_broker.waiting] == [result.id]

    fw_broker.drain()
    assert result.get(timeout=0) == "done"


@pytest.mark.parametrize("ignore_result", [False, True])
def test_a_step_whose_successor_cannot_be_sent_stays_done_and_is_not_run_again(
    fw_broker, runs, ignore_result
):
    """In plain Celery the finished step is marked failed, and the chain is broken."""

    @task_framework(ignore_result=ignore_result)
    def first() -> str:
        runs.append("first")
        return "data"

    @task_framework
    def second(data: str) -> str:
        runs.append("second")
        return data

    sent = chain(first.s(), second.s()).apply_async()
    with broker_refusing(is_call):
        fw_broker.run_next()
    assert runs == ["first"]
    assert first.result(sent.parent.id).state == "SUCCESS"

    fw_broker.drain()
    assert runs == ["first", "second"]
    assert second.result(sent.id).get(timeout=0) == "data"
    assert not fw_broker.dead


def test_a_callback_has_the_same_id_each_time_it_is_sent(fw_broker):
    @task_framework
    def work() -> str:
        return "done"

    @task_framework
    def after(value: str) -> None: ...

    work.apply_async(link=after.s())
    sent = []

    def refuses(letter: Letter) -> bool:
        sent.append(letter.headers["id"])
        return len(sent) == 1

    with broker_refusing(refuses):
        fw_broker.drain()

    assert len(sent) == 2
    assert len(set(sent)) == 1


# Retry


def test_a_retry_that_cannot_be_sent_leaves_the_message_in_its_queue(fw_broker):
    """Acknowledged without a successor, the task would be lost."""

    @task_framework(retries=1, backoff=1)
    def work() -> None:
        raise OSError

    result = work.delay()
    with broker_refusing(is_call):
        fw_broker.run_next()

    [waiting] = fw_broker.waiting
    assert (waiting.id, waiting.attempt) == (result.id, 1)


def test_running_later_is_counted_apart_and_is_no_failed_try(fw_broker):
    from fw_core import RetryLater

    @task_framework(retries=1)
    def work() -> None:
        if not runs:
            runs.append(1)
            raise RetryLater(5)
        raise OSError("no")

    runs: list[int] = []
    work.delay()
    fw_broker.run_next()
    fw_broker.advance(5)
    fw_broker.run_next()
    fw_broker.advance(60)
    fw_broker.run_next()

    [dead] = fw_broker.dead
    death = death_of(dead)
    assert [each.number for each in death.tries] == [1, 2]
    assert death.attempts == 3


# Failure


def test_a_dead_letter_tells_its_tries(fw_broker):
    @task_framework(retries=1, backoff=[7], jitter=0, queue="bulk")
    def work(number: int) -> None:
        raise ValueError(f"no {current_attempt().number}")

    work.delay(7)
    fw_broker.run_next()
    fw_broker.advance(7)
    fw_broker.run_next()

    [dead] = fw_broker.dead
    death = death_of(dead)
    assert (dead.args, dead.queue) == ((7,), "bulk")
    assert death.cause is Cause.RETRIES_SPENT
    assert death.reason == "the last of 2 attempts failed"
    assert (death.error.type, death.error.message) == ("ValueError", "no 2")
    first, frame, *_ = death.error.traceback.splitlines()
    assert first == "Traceback (most recent call last):"
    assert __file__ in frame  # fw's own frames say nothing to whoever wrote the task
    assert "raise ValueError" in death.error.traceback
    assert [each.error for each in death.tries] == ["ValueError: no 1", "ValueError: no 2"]
    assert (death.tries[1].at - death.tries[0].at).total_seconds() == 7
    assert death.queue == "bulk"
    assert death.worker
    assert death.is_settled


def test_a_failure_waits_for_the_database_in_its_dead_letter(fw_broker):
    @task_framework(retries=0)
    def work() -> None:
        raise ValueError("no")

    work.delay()
    with database_away():
        fw_broker.run_next()

    [dead] = fw_broker.dead
    assert not death_of(dead).is_settled
    assert dead.error == "ValueError: no"
    assert not fw_broker.waiting


def test_a_failure_whose_dead_letter_cannot_be_sent_leaves_the_message_in_its_queue(fw_broker):
    @task_framework(retries=0)
    def work() -> None:
        raise ValueError("no")

    work.delay()
    with broker_refusing(lambda letter: letter.exchange == "fw.dead"):
        fw_broker.run_next()

    assert len(fw_broker.waiting) == 1
    assert not fw_broker.dead


def test_an_error_callback_has_the_same_id_each_time_it_is_sent(fw_broker):
    @task_framework(retries=0)
    def work() -> None:
        raise ValueError("no")

    @task_framework
    def after(task_id: str) -> None: ...

    work.apply_async(link_error=after.s())
    sent = []

    def refuses(letter: Letter) -> bool:
        sent.append((letter.exchange, letter.headers["id"]))
        return letter.exchange == "fw.dead"

    with broker_refusing(refuses):
        fw_broker.run_next()
    with broker_refusing(lambda letter: bool(sent.append((letter.exchange, letter.headers["id"])))):
        fw_broker.run_next()

    called_back = [task_id for exchange, task_id in sent if exchange == "fw.tasks"]
    assert len(called_back) == 2
    assert len(set(called_back)) == 1


def test_a_message_of_an_unknown_task_fails_the_join_that_waits_for_it(fw_broker):
    """Its body would wait for ever."""

    @task_framework
    def member() -> int:
        return 1

    @task_framework
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    result = chord([member.s(), member.s()])(total.s())
    app: Any = current_app()
    with app.connection_for_write() as connection:
        message = connection.default_channel.basic_get("default")
        message.ack()
        headers = {**message.headers, "task": "nobody.knows"}
        app.topology.task_queue("default")  # the same call, under a name that no worker has
        producer = connection.Producer()
        producer.publish(
            message.body,
            exchange=app.topology.tasks,
            routing_key="default",
            headers=headers,
            content_type=message.content_type,
            content_encoding=message.content_encoding,
        )
    fw_broker.drain()

    assert total.result(result.id).state == "FAILURE"
    [dead] = fw_broker.dead
    assert death_of(dead).cause is Cause.UNKNOWN_TASK


def test_a_message_that_cannot_be_read_says_so_in_its_dead_letter(fw_broker):
    @task_framework
    def work() -> None: ...

    app: Any = current_app()
    with app.connection_for_write() as connection:
        connection.Producer().publish(
            b"\xff no json",
            exchange=app.topology.tasks,
            routing_key="default",
            content_type="application/json",
            content_encoding="utf-8",
            headers={"id": "an-id", "task": work.name},
        )
    fw_broker.drain()

    [dead] = fw_broker.dead
    assert death_of(dead).cause is Cause.UNREADABLE
    assert dead.body == b"\xff no json"


def test_a_replayed_success_replaces_the_failure_that_was_stored(fw_broker):
    """Also of a task that keeps no result: failures are always kept."""

    @task_framework(ignore_result=True, retries=0)
    def work() -> None:
        if not fw_broker.dead:
            raise ValueError("no")

    result = work.delay()
    fw_broker.drain()
    assert result.state == "FAILURE"

    work.apply_async(task_id=result.id, headers={REPLAYED: True})
    fw_broker.drain()
    assert work.result(result.id).state == "SUCCESS"


# Messages that come again


def test_a_call_that_has_succeeded_is_not_run_again(fw_broker, runs):
    @task_framework
    def work() -> str:
        runs.append(1)
        return "done"

    result = work.delay()
    fw_broker.drain()
    work.apply_async(task_id=result.id)  # what a broker does that delivers a message twice
    give_back()
    fw_broker.drain()

    assert runs == [1]
    assert result.get(timeout=0) == "done"
    assert not fw_broker.waiting


def test_a_call_that_is_sent_again_after_a_doubt_is_run_once(fw_broker, runs):
    """Its caller gives it the id that MaybeSent named."""

    @task_framework
    def work() -> str:
        runs.append(1)
        return "done"

    for _ in range(2):
        work.options(id="one").delay()
    fw_broker.drain()

    assert runs == [1]
    assert len(fw_broker.sent) == 2


def test_a_body_is_told_that_its_message_came_again(fw_broker, runs):
    @task_framework
    def work() -> None:
        runs.append(current_attempt().redelivered)

    work.delay()
    give_back()
    work.delay()
    fw_broker.drain()

    assert sorted(runs) == [False, True]


def test_a_message_whose_workers_end_is_started_so_often_and_then_fails(fw_broker, runs):
    """What ends a whole worker cannot be counted by it; what comes again is counted first."""

    @task_framework(retries=5, ignore_result=True)
    def poison() -> None:
        runs.append(current_attempt().number)
        raise Reject("its worker is gone", requeue=True)

    result = poison.delay()
    fw_broker.drain()

    assert runs == [1] * (1 + MOST_STARTS)
    assert result.state == "FAILURE"
    [dead] = fw_broker.dead
    assert death_of(dead).cause is Cause.DIED


def test_a_message_that_was_only_fetched_uses_up_nothing(fw_broker, runs):
    """A rolling restart of many workers fetches it again and again."""

    @task_framework(retries=0)
    def work() -> str:
        runs.append(1)
        return "done"

    result = work.delay()
    for _ in range(5):
        for _ in range(OFTEN):
            give_back()
        fw_broker._world.worker.run_next()  # sent anew
    fw_broker.drain()

    assert result.get(timeout=0) == "done"
    assert runs == [1]
    assert not fw_broker.dead


def test_a_message_that_is_sent_anew_still_says_that_it_came_again(fw_broker, runs):
    @task_framework
    def work() -> None:
        runs.append(current_attempt().redelivered)

    work.delay()
    for _ in range(OFTEN):
        give_back()
    fw_broker.drain()

    assert runs == [True]


def test_the_header_of_a_dead_letter_is_plain_json(fw_broker):
    @task_framework(retries=0)
    def work() -> None:
        raise ValueError("no")

    work.delay()
    fw_broker.drain()

    [view] = queued("fw.dead")
    assert json.loads(view.headers[DEAD])["cause"] == "retries-spent"


def test_a_message_that_ended_here_and_comes_again_is_not_run_again(fw_broker, runs):
    """A lost connection takes acknowledgements with it."""

    @task_framework(ignore_result=True)
    def work() -> None:
        runs.append(1)

    work.delay()
    with acknowledgements_lost():
        fw_broker.run_next()
    give_back()
    fw_broker.drain()

    assert runs == [1]
    assert not fw_broker.waiting


def test_a_message_that_runs_here_and_comes_again_ends_with_its_first_run(fw_broker, runs):
    """The connection was lost, and made anew, during a long task."""
    acknowledged: list[str] = []

    def deliver_again() -> bool:
        [running] = state.active_requests
        again = Message(
            properties=running.message.properties,
            headers=running.message.headers,
            delivery_info={"redelivered": True},
        )
        return is_in_hand(again, lambda *_: acknowledged.append("the second"), fail, ())

    def fail(*_: Any) -> None:
        raise AssertionError("it was given back")

    @task_framework(ignore_result=True)
    def work() -> None:
        runs.append(deliver_again())
        assert not acknowledged

    work.delay()
    fw_broker.drain()

    assert runs == [True]
    assert acknowledged == ["the second"]


# What the broker never takes


TOO_LARGE = "message size 17825794 is larger than configured max size 16777216"


@contextmanager
def broker_that_never_takes(refuses: Callable[[Letter], bool]) -> Iterator[list[str]]:
    """Refuse for ever what is too large; count the tries."""
    tries: list[str] = []

    def too_large(letter: Letter) -> bool:
        if refuses(letter):
            tries.append(str(letter.headers["id"]))
            raise Unconfirmed(TOO_LARGE, maybe=False, fix="store the data.", is_final=True)
        return False

    with broker_refusing(too_large):
        yield tries


def is_of(*names: str) -> Callable[[Letter], bool]:
    return lambda letter: letter.is_call and letter.headers["task"].rpartition(".")[2] in names


@pytest.mark.parametrize("ignore_result", [False, True])
def test_a_step_that_the_broker_never_takes_fails_and_the_one_before_it_has_succeeded(
    fw_broker, runs, caplog, ignore_result
):
    """It would come round for ever, and hold a worker's place."""

    @register_task("first")
    def first(data: str) -> str:
        runs.append("first")
        return data

    @register_task("second")
    def second(data: str) -> str:
        raise AssertionError("it was sent")

    @register_task("third")
    def third(data: str) -> str:
        raise AssertionError("it was sent")

    @task_framework
    def told(task_id: str) -> None:
        runs.append(task_id)

    steps = [first.s("x").set(ignore_result=ignore_result), second.s(), third.s()]
    steps[1].link_error(told.s())
    last = chain(*steps).apply_async()
    with broker_that_never_takes(is_of("second")) as tries:
        fw_broker.drain()

    state = "PENDING" if ignore_result else "SUCCESS"  # what keeps no result has no row
    assert first.result(last.parent.parent.id).state == state
    assert runs == ["first", last.parent.id]
    assert tries == [last.parent.id]
    assert not fw_broker.waiting
    assert not fw_broker.dead
    for failed in (second.result(last.parent.id), third.result(last.id)):
        assert failed.state == "FAILURE"
        assert failed.error.type == "fw_core.NeverSent"
        assert "second was not run" in failed.error.message
        assert TOO_LARGE in failed.error.message
        assert failed.error.message.endswith("Fix: store the data.")
    [line] = [each for each in caplog.records if each.levelname == "ERROR"]
    assert TOO_LARGE in line.getMessage()


def test_what_the_broker_may_take_later_is_still_insisted_on(fw_broker, runs):
    @task_framework
    def first() -> str:
        return "data"

    @task_framework
    def second(data: str) -> str:
        return data

    sent = chain(first.s(), second.s()).apply_async()
    with broker_refusing(
        lambda letter: is_of("second")(letter) and not runs.append(1) and len(runs) < 4
    ):
        fw_broker.drain()

    assert len(runs) == 4
    assert second.result(sent.id).get(timeout=0) == "data"


def test_a_callback_that_the_broker_never_takes_fails_and_the_next_step_is_sent(fw_broker):
    @task_framework
    def first() -> str:
        return "data"

    @task_framework
    def second(data: str) -> str:
        return data

    @task_framework
    def after(data: str) -> None: ...

    sent = chain(first.s().set(link=after.s().set(task_id="after")), second.s()).apply_async()
    with broker_that_never_takes(is_of("after")):
        fw_broker.drain()

    assert after.result("after").state == "FAILURE"
    assert second.result(sent.id).get(timeout=0) == "data"


def test_the_body_of_a_join_that_the_broker_never_takes_fails(fw_broker, runs, caplog):
    """The collected results can be too large where each of them is not."""

    @task_framework
    def member(number: int) -> int:
        return number

    @task_framework
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @task_framework
    def after(number: int) -> None: ...

    @task_framework
    def told(task_id: str) -> None:
        runs.append(task_id)

    body = total.s().on_error(told.s())
    last = chain(chord([member.s(1), member.s(2)], body), after.s()).apply_async()
    with broker_that_never_takes(is_of("total")) as tries:
        fw_broker.drain()

    [body_id] = set(tries)
    assert len(tries) == 1
    assert runs == [body_id]
    assert not fw_broker.waiting
    for failed in (total.result(body_id), after.result(last.id)):
        assert failed.state == "FAILURE"
        assert failed.error.message.endswith("Fix: store the data.")
    assert TOO_LARGE in caplog.text


def test_a_member_that_the_broker_never_takes_fails_the_join_that_waits_for_it(fw_broker):
    """It is the second step of a chain that is a member."""

    @task_framework
    def member() -> int:
        return 1

    @task_framework
    def large(number: int) -> int:
        return number

    @task_framework
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    result = chord([chain(member.s(), large.s()), member.s()])(total.s())
    with broker_that_never_takes(is_of("large")):
        fw_broker.drain()

    failed = total.result(result.id)
    assert failed.state == "FAILURE"
    assert failed.error.type == "fw_core.JoinFailed"
    assert "large was not run" in failed.error.message


@pytest.mark.parametrize("step", ["group", "chord"])
def test_all_of_a_group_or_chord_that_the_broker_never_takes_fail(fw_broker, step):
    @task_framework
    def first() -> str:
        return "data"

    @task_framework
    def large(data: str) -> str:
        return data

    @task_framework
    def total(data: list[str]) -> str:
        return data[0]

    members = group(large.s(), large.s())
    following = members if step == "group" else chord(members, total.s())
    result = chain(first.s(), following).apply_async()
    with broker_that_never_takes(is_of("large")):
        fw_broker.drain()

    waited_for = result.results if step == "group" else [result]
    assert [each.state for each in waited_for] == ["FAILURE"] * len(waited_for)
    assert not fw_broker.waiting


def test_members_of_a_group_that_were_sent_are_not_failed(fw_broker):
    @task_framework
    def first() -> str:
        return "data"

    @task_framework
    def small(data: str) -> str:
        return data

    @task_framework
    def large(data: str) -> str:
        return data

    sent = chain(first.s(), group(small.s(), large.s())).apply_async()
    with broker_that_never_takes(is_of("large")):
        fw_broker.run_next()
    assert [each.state for each in sent.results] == ["PENDING", "FAILURE"]

    fw_broker.drain()
    assert [each.state for each in sent.results] == ["SUCCESS", "FAILURE"]


def test_the_failure_of_what_is_never_sent_waits_for_the_database(fw_broker, runs):
    @task_framework
    def first() -> str:
        runs.append(1)
        return "data"

    @task_framework
    def second(data: str) -> str:
        return data

    sent = chain(first.s(), second.s(), second.s()).apply_async()
    with database_away(), broker_that_never_takes(is_of("second")):
        fw_broker.drain()
        kept = queued("fw.outcomes")
    assert not fw_broker.waiting
    for message in kept:
        outcomes.store(current_app(), outcomes.KeptOutcome.from_body(message.body))

    assert runs == [1]
    assert second.result(sent.parent.id).state == "FAILURE"
    assert second.result(sent.id).state == "FAILURE"


def test_an_outcome_that_the_broker_never_takes_waits_for_the_database(fw_broker, runs):
    """The attempt waits in its place: the body is not run again."""

    @task_framework
    def work() -> str:
        runs.append(1)
        return "done"

    result = work.delay()
    backend: Any = current_app().backend
    looks: list[int] = []

    class BackSoon(Away):
        def statement(self, work: Any, *, timeout: float) -> Any:
            looks.append(1)
            if len(looks) > 5:
                return there.statement(work, timeout=timeout)
            return super().statement(work, timeout=timeout)

    there = backend.database
    is_outcome = broker_that_never_takes(lambda letter: letter.exchange == "fw.outcomes")
    with database_away(), is_outcome as tries:
        backend.database = BackSoon()
        fw_broker.run_next()

    assert runs == [1]
    assert len(tries) == 1
    assert result.get(timeout=0) == "done"
    assert not fw_broker.waiting


def test_a_retry_that_the_broker_never_takes_ends_the_call_as_a_failure(fw_broker):
    """It is written anew, so it can be larger than what came; its dead letter is what came."""

    @task_framework(retries=3)
    def work() -> None:
        raise OSError("no")

    result = work.delay()
    with broker_that_never_takes(is_call):
        fw_broker.run_next()

    assert result.state == "FAILURE"
    [dead] = fw_broker.dead
    assert TOO_LARGE in death_of(dead).reason
    assert not fw_broker.waiting


def test_a_dead_letter_that_the_broker_does_not_take_is_insisted_on(fw_broker):
    """There is nowhere else to keep it, and an operator can raise the limit."""

    @task_framework(retries=0)
    def work() -> None:
        raise ValueError("no")

    work.delay()
    with broker_that_never_takes(lambda letter: letter.exchange == "fw.dead") as tries:
        fw_broker.run_next()

    assert len(tries) > 5
    assert len(fw_broker.waiting) == 1
