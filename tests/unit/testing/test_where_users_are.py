"""The fixtures where users are: xdist, pytest-asyncio, random order, unittest; and the header."""

from __future__ import annotations

import sys

import pytest

pytest_plugins = ["pytester"]

ORDERS = """
from fw_core import task_framework

seen = []

@task_framework(retries=1, backoff=3)
def send_receipt(order_id: int) -> str:
    seen.append(order_id)
    if seen.count(order_id) == 1:
        raise ConnectionError
    return f"Receipt {order_id} sent"

@task_framework
async def doubles(number: int) -> int:
    return number * 2
"""


@pytest.fixture
def shop(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A team's suite on a machine where nothing is set."""
    for name in ("FW_TEST_BROKER_URL", "FW_TEST_DATABASE_URL", "FW_TEST_MANAGEMENT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("FW_RABBITMQ_IMAGE", raising=False)
    monkeypatch.delenv("FW_POSTGRES_IMAGE", raising=False)
    pytester.makepyfile(orders=ORDERS)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    return pytester


def test_it_runs_under_xdist(shop) -> None:
    """Each worker has its own world."""
    shop.makepyfile(
        """
        import pytest
        from orders import send_receipt

        @pytest.mark.parametrize("number", range(8))
        def test_eager(fw_eager, number):
            assert send_receipt.delay(number).get() == f"Receipt {number} sent"
            assert fw_eager.waits == [3]

        def test_broker(fw_broker):
            send_receipt.delay(42)
            assert len(fw_broker.waiting) == 1
        """
    )
    shop.runpytest_subprocess("-n", "2").assert_outcomes(passed=9)


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_it_runs_in_any_order(shop, seed: str) -> None:
    """No test sees what another has left."""
    shop.makepyfile(
        """
        import pytest
        from orders import doubles

        @pytest.mark.parametrize("number", range(4))
        def test_broker(fw_broker, number):
            assert fw_broker.sent == fw_broker.waiting == fw_broker.dead == []
            doubles.delay(number)

        @pytest.mark.parametrize("number", range(4))
        def test_eager(fw_eager, number):
            assert doubles.options(id="same").delay(number).get() == number * 2
            assert len(fw_eager.ran) == 1
        """
    )
    shop.runpytest_subprocess(
        "-p", "randomly", "-p", "no:xdist", "-p", "no:cacheprovider", "--randomly-seed", seed
    ).assert_outcomes(passed=8)


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_async_tests_send_run_and_read(shop, mode: str) -> None:
    """In pytest-asyncio's loop; sync and async tasks, both fixtures."""
    shop.makepyfile(
        """
        import asyncio
        import pytest
        from orders import doubles, send_receipt

        @pytest.mark.asyncio
        async def test_eager(fw_eager):
            result = await send_receipt.adelay(7)
            assert await result.aget() == "Receipt 7 sent"
            assert await (await doubles.adelay(4)).aget() == 8
            assert send_receipt.delay(8).get() == "Receipt 8 sent"
            assert fw_eager.waits == [3, 3]

        @pytest.mark.asyncio
        async def test_broker(fw_broker, fw_clock):
            first, second = await asyncio.gather(doubles.adelay(4), doubles.adelay(5))
            await send_receipt.adelay(9)
            fw_broker.drain()
            assert (await first.aget(), await second.aget()) == (8, 10)
            fw_clock.advance(60)
            assert fw_broker.run_next().outcome == "succeeded"
        """
    )
    result = shop.runpytest_subprocess("-p", "no:randomly", "-o", f"asyncio_mode={mode}")
    result.assert_outcomes(passed=2)


def test_unittest_uses_the_context_managers(shop) -> None:
    """By with, by enterContext, by addCleanup; under pytest and under unittest itself."""
    shop.makepyfile(
        test_cases="""
        import unittest
        from contextlib import ExitStack

        import fw_testing
        from orders import doubles, send_receipt

        class Entered(unittest.TestCase):
            def setUp(self):
                self.mode = self.enterContext(fw_testing.eager())

            def test_it(self):
                self.assertEqual(send_receipt.delay(7).get(), "Receipt 7 sent")
                self.assertEqual(self.mode.waits, [3])

            def test_each_test_has_its_own(self):
                self.assertEqual(self.mode.ran, [])

        class Cleaned(unittest.TestCase):
            def setUp(self):
                stack = ExitStack()
                self.addCleanup(stack.close)
                self.broker = stack.enter_context(fw_testing.fake_broker())

            def test_it(self):
                doubles.delay(4)
                self.broker.assert_sent(doubles, 4)

        class InOneBlock(unittest.IsolatedAsyncioTestCase):
            async def test_it(self):
                with fw_testing.eager():
                    self.assertEqual(await (await doubles.adelay(4)).aget(), 8)
        """
    )
    shop.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=4)
    assert shop.run(sys.executable, "-m", "unittest", "test_cases").ret == 0


def test_no_fixture_is_active_unless_asked_for(shop) -> None:
    """A suite that does not use it loads none of it: no Celery, nothing of fw-core."""
    shop.makepyfile(
        """
        import sys

        def test_nothing_is_loaded():
            loaded = {name.partition(".")[0] for name in sys.modules}
            assert loaded & {"celery", "kombu", "sqlalchemy", "pydantic", "fw_core"} == set()

        def test_no_fixture(request):
            assert [name for name in request.fixturenames if name.startswith("fw_")] == []
        """
    )
    shop.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=2)


def test_a_failure_shows_what_the_task_did(shop) -> None:
    """The captured log has a line for each attempt."""
    shop.makepyfile(
        """
        from orders import send_receipt

        def test_it(fw_eager):
            send_receipt.delay(7)
            assert fw_eager.waits == [4]
        """
    )
    result = shop.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*assert *3.0* == *4*", "*orders.send_receipt attempt 1 of 2 failed*ConnectionError*"]
    )


def test_a_test_that_asks_for_both_fakes_is_told_to_choose(shop) -> None:
    """Which of them a call would go to was the order of the arguments."""
    shop.makepyfile(test_both="def test_both(fw_eager, fw_broker): ...")
    result = shop.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["Fix: keep one of them."])


def test_the_fixtures_are_listed_with_what_they_do(shop) -> None:
    """``pytest --fixtures`` and ``pytest --markers`` are a junior's first reference."""
    shown = shop.runpytest_subprocess("--fixtures").stdout
    shown.fnmatch_lines(["fw_eager*", "*Calls run at once*"])
    shop.runpytest_subprocess("--markers").stdout.fnmatch_lines(
        ["@pytest.mark.fw_real: *", "@pytest.mark.fw_clock(start=None,*"]
    )


def header(shop: pytest.Pytester) -> str:
    shop.makepyfile("def test_it(): ...")
    [line] = [line for line in shop.runpytest_subprocess().stdout.lines if line.startswith("fw: ")]
    return line


def test_the_header_says_what_would_be_started(shop) -> None:
    """Nothing is started for that."""
    assert header(shop) == (
        "fw: tests run in memory, other calls are refused; "
        "fw_services: containers rabbitmq:4-management, postgres:17"
    )


def test_the_header_names_given_servers_without_their_passwords(shop, monkeypatch) -> None:
    """It is read by many eyes, in CI's log too."""
    monkeypatch.setenv("FW_TEST_BROKER_URL", "amqp://guest:sesame@127.0.0.1:5672//")
    monkeypatch.setenv("FW_TEST_DATABASE_URL", "postgresql://fw:sesame@127.0.0.1/fw")
    assert header(shop).endswith(
        "given servers amqp://guest:***@127.0.0.1:5672//, postgresql://fw:***@127.0.0.1/fw"
    )


def test_the_header_says_when_a_suite_means_real_servers(shop) -> None:
    """Whoever reads the log knows what the tests touched."""
    shop.makeini("[pytest]\nfw_real = true\nasyncio_default_fixture_loop_scope = function")
    assert "other calls go to the servers of the settings (fw_real)" in header(shop)


def test_the_header_says_that_there_is_nothing(shop, monkeypatch) -> None:
    """Neither URLs nor what starts containers."""
    from fw_testing import header

    monkeypatch.setattr(header, "find_spec", lambda name: None)
    assert header._services().startswith("none (set FW_TEST_BROKER_URL")
