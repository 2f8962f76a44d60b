"""With a fake nothing leaves the process, and nothing sleeps; without one nothing is sent."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from time import sleep as imported_by_name

import pytest
from celery import Celery, _state, shared_task
from kombu import Connection, Producer

import fw_testing
from fw_core import TaskFailed, client, task_framework
from fw_core.broker import local
from fw_core.broker.app import create_app
from fw_core.database.connection import Database
from fw_core.declare.registry import TASK_REGISTRY
from fw_core.settings import read_settings
from fw_testing import Eager, FakeBroker
from fw_testing.errors import LeavesTheTest, SleepsInTask

pytest_plugins = ["pytester"]

NOWHERE = "amqp://guest:sesame@127.0.0.1:1//"


def app_of_its_own(**settings: object):
    return create_app(read_settings(broker_url=NOWHERE, **settings), TASK_REGISTRY)


def test_an_app_made_by_hand_does_not_reach_its_broker(fw_broker: FakeBroker) -> None:
    """Neither at its first use nor over a connection that is already open."""

    @task_framework
    def note() -> None: ...

    with client.using(app_of_its_own()), pytest.raises(LeavesTheTest) as caught:
        note.delay()
    assert "fw_services" in str(caught.value)
    assert "sesame" not in str(caught.value)
    assert fw_broker.sent == []


@pytest.fixture
def not_shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Celery gives a shared task to each app that comes later, also to those of other tests.

    And it runs a shared task by whatever app is the current one, also by that of an earlier test.
    """
    monkeypatch.setattr(_state._tls, "current_app", None)
    monkeypatch.setattr(_state, "default_app", None)
    before = set(_state._on_app_finalizers)
    yield
    _state._on_app_finalizers.intersection_update(before)


@pytest.mark.parametrize("call", ["delay", "apply_async"])
def test_plain_celery_does_not_reach_its_broker(fw_broker: FakeBroker, call: str) -> None:
    """A task of Celery's that is not fw's."""
    app = Celery("plain", broker=NOWHERE, set_as_current=False)

    @app.task(name="plain.note", shared=False)
    def note() -> None: ...

    with pytest.raises(LeavesTheTest, match="127.0.0.1:1"):
        getattr(note, call)()


def test_a_shared_task_does_not_reach_the_default_broker(not_shared, fw_eager: Eager) -> None:
    """Without an app of its own, Celery would try localhost."""

    @shared_task(name="shared.note")
    def note() -> None: ...

    with pytest.raises(LeavesTheTest, match="localhost"):
        note.delay()


def test_a_connection_that_is_open_is_not_used(tmp_path) -> None:
    """One that an earlier test has opened."""
    local.register()
    with Connection(local.file_url(tmp_path / "broker.db")) as connection:
        producer = Producer(connection.default_channel)
        with fw_testing.fake_broker(), pytest.raises(LeavesTheTest, match=r"broker\.db"):
            producer.publish({}, routing_key="default")


def test_what_stays_in_memory_is_let_through(fw_broker: FakeBroker) -> None:
    """kombu's own transport in memory, as some teams use it."""
    with Connection("memory://") as connection:
        Producer(connection.default_channel).publish({}, routing_key="default")


def test_a_database_of_fw_is_not_reached(fw_broker: FakeBroker, tmp_path) -> None:
    """Neither PostgreSQL nor a file; a team's own engines are its own."""
    for url in ("postgresql+psycopg2://fw:sesame@127.0.0.1:1/fw", f"sqlite:///{tmp_path}/r.db"):
        with pytest.raises(LeavesTheTest) as caught:
            Database(url).statement(lambda _: None, timeout=0)
        assert "sesame" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_body_that_catches_the_error_fails_the_test_all_the_same(fw_eager: Eager) -> None:
    """What goes past the fake is the test's affair, not the task's."""

    @task_framework
    def notes() -> None:
        try:
            Connection(NOWHERE).connect()
        except Exception:
            return

    with pytest.raises(LeavesTheTest):
        notes.delay()
    assert [ran.outcome for ran in fw_eager.ran] == ["succeeded"]


def test_a_call_of_another_thread_goes_to_the_fake(fw_broker: FakeBroker) -> None:
    """Whichever thread it is."""

    @task_framework
    def note(number: int) -> None: ...

    in_thread(lambda: note.delay(7))
    fw_broker.assert_sent(note, 7)


def test_another_thread_that_goes_past_the_fake_fails_the_test() -> None:
    """Its own error dies with the thread."""

    def past_the_fake() -> None:
        with pytest.raises(LeavesTheTest):
            Connection(NOWHERE).connect()

    with pytest.raises(LeavesTheTest), fw_testing.fake_broker():
        in_thread(past_the_fake)


def in_thread(function: Callable[[], object]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


# Sleeping


@pytest.mark.parametrize("way", ["time.sleep", "by name", "asyncio.sleep", "swallowed"])
def test_a_body_that_sleeps_fails_the_test_with_advice(fw_eager: Eager, way: str) -> None:
    """Nobody waits, and the clock to move instead is named."""

    @task_framework
    def sleeps() -> None:
        if way == "by name":
            imported_by_name(30)
        elif way == "swallowed":
            try:
                time.sleep(30)
            except Exception:
                return
        time.sleep(30)

    @task_framework
    async def sleeps_async() -> None:
        await asyncio.sleep(30)

    started = time.monotonic()
    with pytest.raises(SleepsInTask, match=r"fw_clock\.advance\(30\)") as caught:
        (sleeps_async if way == "asyncio.sleep" else sleeps).delay()
    assert time.monotonic() - started < 20
    assert "test_nothing_leaves.py:" in str(caught.value)


def test_fw_broker_refuses_sleep_when_the_message_runs(fw_broker: FakeBroker) -> None:
    """The error comes where the test runs it."""

    @task_framework
    def sleeps() -> None:
        time.sleep(30)

    sleeps.delay()
    with pytest.raises(SleepsInTask):
        fw_broker.drain()


def test_a_short_sleep_is_slept(fw_eager: Eager) -> None:
    """Nobody notices it, and a library that polls needs it."""

    @task_framework
    def polls() -> str:
        time.sleep(0)
        imported_by_name(0.001)
        return "done"

    assert polls.delay().get() == "done"


def test_only_bodies_are_kept_from_sleeping(fw_broker: FakeBroker) -> None:
    """The test, and a thread that is none of ours, sleep as they like; also while a body runs."""
    slept: list[object] = []

    def sleeps() -> None:
        time.sleep(0.06)
        slept.append("thread")

    @task_framework
    def starts_a_thread() -> None:
        in_thread(sleeps)

    starts_a_thread.delay()
    fw_broker.drain()
    time.sleep(0.06)
    assert slept == ["thread"]


def test_what_a_test_puts_in_place_of_sleep_stays(
    fw_eager: Eager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A team's own way of not sleeping goes on to work."""
    asked: list[float] = []
    monkeypatch.setattr("time.sleep", asked.append)

    @task_framework
    def sleeps() -> None:
        time.sleep(30)

    sleeps.delay()
    assert asked == [30]
    assert time.sleep == asked.append


@pytest.mark.fw_clock(move_sleep=True)
def test_a_sleep_can_move_the_clock(fw_eager: Eager) -> None:
    """Also one of async code."""

    @task_framework
    def sleeps() -> None:
        time.sleep(30)

    @task_framework
    async def sleeps_async() -> None:
        await asyncio.sleep(30)

    start = fw_eager.clock.now()
    sleeps.delay()
    sleeps_async.delay()
    assert (fw_eager.clock.now() - start).total_seconds() == 60


@pytest.mark.fw_clock(move_sleep=True)
@pytest.mark.parametrize("is_async", [False, True])
def test_who_sleeps_beyond_the_timeout_is_stopped(fw_eager: Eager, is_async: bool) -> None:
    """As in production, where a real clock says so."""
    cleaned: list[bool] = []

    @task_framework(timeout=60, retries=0)
    def slow() -> None:
        try:
            time.sleep(61)
        finally:
            cleaned.append(True)

    @task_framework(timeout=60, retries=0)
    async def slow_async() -> None:
        try:
            await asyncio.sleep(61)
        finally:
            cleaned.append(True)

    with pytest.raises(TaskFailed, match="timeout of 60 s"):
        (slow_async if is_async else slow).delay().get()
    assert cleaned == [True]


def test_who_moves_the_clock_beyond_the_timeout_is_stopped(fw_eager: Eager) -> None:
    """Exactly the timeout is still in time."""

    @task_framework(timeout=60, retries=0)
    def takes(seconds: float) -> str:
        fw_eager.clock.advance(seconds)
        return "done"

    assert takes.delay(60).get() == "done"
    with pytest.raises(TaskFailed, match="timeout of 60 s"):
        takes.delay(61).get()


# Without a fake

ORDERS = """
    import pytest
    from fw_core import task_framework

    @task_framework
    def process_order(order_id: int) -> str:
        return f"Order {order_id} processed"
"""


@pytest.fixture
def shop(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A team's suite in a directory of its own, with no server set."""
    for name in ("BROKER_URL", "DATABASE_URL"):
        monkeypatch.delenv(f"FW_{name}", raising=False)
    pytester.makepyfile(orders=ORDERS)
    return pytester


def test_a_call_without_a_fake_fails_and_says_what_to_ask_for(shop) -> None:
    """Else it would be written to .fw/, or sent to the team's RabbitMQ."""
    shop.makepyfile("from orders import process_order\ndef test_it(): process_order.delay(7)")

    result = shop.runpytest_subprocess("-p", "no:randomly")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*NoFake: This test would go to local:*", "*Fix: add fw_eager*"])
    assert not (shop.path / ".fw").exists()


def test_the_first_import_inside_the_test_changes_nothing(shop) -> None:
    """The gate is there before the first call, whoever imports what when."""
    shop.makepyfile(
        """
        def test_it():
            import sys
            assert "fw_core" not in sys.modules
            from orders import process_order
            process_order.delay(7)
        """
    )
    result = shop.runpytest_subprocess("-p", "no:randomly")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*NoFake: This test would go to local:*"])


def test_a_result_is_not_read_without_a_fake(shop) -> None:
    """It would be waited for, and never come."""
    shop.makepyfile(
        "from orders import process_order\ndef test_it(): process_order.result('a').get()"
    )
    shop.runpytest_subprocess("-p", "no:randomly").assert_outcomes(failed=1)
    assert not (shop.path / ".fw").exists()


def test_signatures_can_be_made_while_modules_are_imported(shop) -> None:
    """They send nothing."""
    shop.makepyfile(
        """
        from orders import process_order
        FIRST = process_order.s(7)
        def test_it(fw_eager):
            assert FIRST.task == "orders.process_order"
        """
    )
    shop.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=1)


@pytest.mark.parametrize("by", ["mark", "ini"])
def test_a_suite_can_say_that_it_means_real_servers(shop, by: str) -> None:
    """Here the local transport, which needs none."""
    if by == "ini":
        shop.makeini("[pytest]\nfw_real = true")
    shop.makepyfile(
        f"""
        import pytest
        from orders import process_order

        @pytest.mark.{"fw_real" if by == "mark" else "filterwarnings"}
        def test_real():
            process_order.delay(7)

        def test_other():
            process_order.delay(7)
        """
    )
    result = shop.runpytest_subprocess("-p", "no:randomly", "--strict-markers")

    result.assert_outcomes(**({"passed": 1, "failed": 1} if by == "mark" else {"passed": 2}))
    assert (shop.path / ".fw" / "broker.db").exists()


def test_a_thread_that_outlives_its_fake_is_refused(shop) -> None:
    """It would send to the team's RabbitMQ while another test runs."""
    shop.makepyfile(
        """
        import threading
        from fw_testing.errors import NoFake
        from orders import process_order

        go, errors = threading.Event(), []

        def later():
            go.wait()
            try:
                process_order.delay(7)
            except NoFake as error:
                errors.append(error)

        thread = threading.Thread(target=later)

        def test_starts(fw_broker):
            thread.start()

        def test_another():
            go.set()
            thread.join()
            assert len(errors) == 1
        """
    )
    shop.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=2)
