"""``@pytest.mark.faults``, as a team's own test run sees it."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

TASKS = """
    import pytest
    import fw_testing
    from fw_core import task_framework

    charged = []

    @task_framework(retries=1)
    def charge(order_id: int) -> str:
        charged.append(order_id)
        return "charged"

    @pytest.fixture(autouse=True)
    def nothing_charged():
        charged.clear()
"""


def _run(pytester: pytest.Pytester, test: str) -> pytest.RunResult:
    pytester.makepyfile(TASKS + test)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    return pytester.runpytest_subprocess("-p", "no:randomly", "-rA", "-W", "error")


def test_a_test_runs_once_under_each_fault_of_its_mark(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
    @pytest.mark.faults("redelivered", "crash_after_run")
    def test_it(fw_eager):
        assert charge.delay(1).get() == "charged"
        assert set(charged) == {1}
    """,
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["*::test_it[[]redelivered[]]*", "*::test_it[[]crash_after_run[]]*"]
    )


def test_without_names_a_test_runs_under_all_that_can_touch_it(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
    @pytest.mark.faults
    def test_it(fw_eager):
        charge.delay(1)
    """,
    )
    # A call that is neither retried nor followed by anything has nothing to refuse.
    result.assert_outcomes(passed=7, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED *'publish_fails' never happened*"])


def test_a_body_that_is_not_safe_to_repeat_is_found(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
    @pytest.mark.faults("crash_after_run", "crash_before_run")
    def test_it(fw_eager):
        charge.delay(1)
        assert charged == [1]
    """,
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["E *assert [[]1, 1[]] == [[]1[]]*", "FAILED *[[]crash_after_run[]]*"]
    )


def test_a_fault_that_never_happened_fails_the_test(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
    @pytest.mark.faults("slow")
    def test_it(fw_broker):
        charge.delay(1)
    """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*'slow' never happened*", "*Fix: run a task under the fault*"])
    result.stdout.no_fnmatch_line("*During handling*")


def test_a_test_that_fails_says_why_it_failed(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
    @pytest.mark.faults("slow")
    def test_it(fw_broker):
        assert 1 == 2
    """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*never happened*")


def test_a_misspelt_fault_fails_its_own_test(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
    @pytest.mark.faults("redeliverd")
    def test_it(fw_eager):
        pass

    def test_another(fw_eager):
        charge.delay(1)
    """,
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["There is no fault 'redeliverd'.", 'Fix: @pytest.mark.faults("redelivered")']
    )


def test_the_mark_composes_with_parametrize(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
    @pytest.mark.faults("redelivered", "duplicated")
    @pytest.mark.parametrize("order", [1, 2])
    def test_it(order, fw_eager, fw_fault):
        charge.delay(order)
        assert charged == [order]
        assert fw_fault.calls == 1
    """,
    )
    result.assert_outcomes(passed=4)


def test_a_unittest_method_is_told_of_the_block(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
    import unittest

    class TestIt(unittest.TestCase):
        @pytest.mark.faults("slow")
        def test_it(self):
            pass
    """,
    )
    assert 'with fw_testing.fault("slow"): ...' in result.stdout.str() + result.stderr.str()


def test_the_block_works_in_a_unittest_method(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
    import unittest

    class TestIt(unittest.TestCase):
        def test_it(self):
            with fw_testing.eager(), fw_testing.fault("crash_after_run"):
                charge.delay(1)
            assert charged == [1, 1]
    """,
    )
    result.assert_outcomes(passed=1)
