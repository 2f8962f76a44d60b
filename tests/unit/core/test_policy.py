"""RetryPolicy: checked when it is made, so that a worker never meets a bad one."""

from __future__ import annotations

import logging
import math
from datetime import timedelta

import pytest

from fw_core import PolicyError, RetryPolicy, register_policy, task_framework
from fw_core.attempt import policy as policies


def waits(policy: RetryPolicy, count: int) -> list[float]:
    return [policy.stated_wait(n) for n in range(1, count + 1)]


@pytest.fixture
def named(monkeypatch):
    """A team's named policies, forgotten after the test."""
    monkeypatch.setattr(policies, "_named", {})


# The waits


def test_corrects_the_users_sketch_backoff_3_waits_3_9_27_not_1_3_9():
    """The wait before retry n, counted from 1, is backoff ** n; the sketch counted from 0."""
    assert waits(RetryPolicy(backoff=3), 3) == [3.0, 9.0, 27.0]


def test_the_default_backoff_waits_2_4_8():
    assert waits(RetryPolicy(), 3) == [2.0, 4.0, 8.0]


def test_a_backoff_of_1_waits_a_second_each_time():
    assert waits(RetryPolicy(backoff=1), 3) == [1.0, 1.0, 1.0]


def test_a_fraction_above_1_is_a_backoff_and_is_not_rounded():
    """Celery's retry_backoff=1.5 becomes 1."""
    assert waits(RetryPolicy(backoff=1.5), 2) == [1.5, 2.25]


@pytest.mark.parametrize("backoff", [[1, 10, 60], (1, 10, 60)])
def test_a_list_waits_its_seconds_and_repeats_the_last(backoff):
    assert waits(RetryPolicy(backoff=backoff), 5) == [1.0, 10.0, 60.0, 60.0, 60.0]


def test_a_function_is_called_with_the_number_of_the_retry_from_1():
    assert waits(RetryPolicy(backoff=lambda n: 10 * n), 3) == [10.0, 20.0, 30.0]


def test_the_stated_wait_is_capped_at_max_delay():
    assert waits(RetryPolicy(backoff=10, max_delay=50), 3) == [10.0, 50.0, 50.0]


def test_max_delay_is_an_hour_if_not_given():
    assert RetryPolicy(backoff=100).stated_wait(5) == 3600.0


def test_max_delay_may_be_a_timedelta():
    assert RetryPolicy(backoff=100, max_delay=timedelta(minutes=2)).stated_wait(5) == 120.0


def test_retry_10_000_does_not_overflow():
    """3 ** 10_000 is more than a float holds: the classic retry bug."""
    assert RetryPolicy(backoff=3).wait(10_000, draw=lambda: 0.0) == 3600.0


def test_a_backoff_that_no_float_holds_waits_max_delay():
    assert RetryPolicy(backoff=10**400).stated_wait(1) == 3600.0


def test_jitter_adds_its_share_on_top():
    assert RetryPolicy(backoff=10, jitter=0.5).wait(1, draw=lambda: 0.5) == 12.5


def test_jitter_is_added_after_the_cap():
    """max_delay caps the stated wait: retries of many tasks must not all end in one second."""
    assert RetryPolicy(backoff=10, max_delay=10, jitter=1).wait(2, draw=lambda: 0.5) == 15.0


def test_jitter_0_is_off():
    assert RetryPolicy(backoff=3, jitter=0).wait(2) == 9.0


# Which errors


def test_every_exception_is_retried_if_nothing_is_said():
    assert RetryPolicy().retries_error(ZeroDivisionError())


def test_only_the_errors_of_retry_on_are_retried():
    policy = RetryPolicy(retry_on=ConnectionError)

    assert policy.retries_error(ConnectionResetError())
    assert not policy.retries_error(ValueError())


def test_give_up_on_wins_over_retry_on():
    policy = RetryPolicy(retry_on=(OSError,), give_up_on=ConnectionError)

    assert policy.retries_error(OSError())
    assert not policy.retries_error(ConnectionError())


def test_error_classes_may_be_a_list():
    assert RetryPolicy(retry_on=[KeyError, ValueError]).retry_on == (KeyError, ValueError)


# What cannot be kept


BAD = [
    ("retries", -1),
    ("retries", True),
    ("retries", "3"),
    ("retries", 2.0),
    ("retries", None),
    ("backoff", 0.5),
    ("backoff", 0),
    ("backoff", -3),
    ("backoff", math.nan),
    ("backoff", math.inf),
    ("backoff", []),
    ("backoff", [0]),
    ("backoff", [1, -1]),
    ("backoff", [1, math.nan]),
    ("backoff", ["1"]),
    ("backoff", [True]),
    ("backoff", "x"),
    ("backoff", True),
    ("backoff", None),
    ("backoff", timedelta(seconds=3)),
    ("backoff", lambda n: 0),
    ("backoff", lambda n: None),
    ("backoff", lambda n: "3"),
    ("backoff", lambda n: 1 / 0),
    ("backoff", lambda: 3),
    ("max_delay", 0),
    ("max_delay", -1),
    ("max_delay", 365 * 24 * 3600 + 1),
    ("max_delay", timedelta(days=366)),
    ("max_delay", math.nan),
    ("max_delay", math.inf),
    ("max_delay", None),
    ("max_delay", "1h"),
    ("max_delay", True),
    ("jitter", -0.1),
    ("jitter", 1.5),
    ("jitter", math.nan),
    ("jitter", True),
    ("jitter", "0.1"),
    ("retry_on", ValueError("an instance")),
    ("retry_on", [ValueError("an instance")]),
    ("retry_on", "ValueError"),
    ("retry_on", int),
    ("retry_on", None),
    ("give_up_on", ValueError("an instance")),
    ("give_up_on", (ValueError, "KeyError")),
]


@pytest.mark.usefixtures("nested")
@pytest.mark.parametrize(("parameter", "value"), BAD)
def test_a_bad_retry_parameter_is_refused_where_the_task_is_declared(parameter, value):
    """Import is the earliest stage that can know; the message says how to mend it."""
    with pytest.raises(PolicyError) as caught:

        @task_framework(**{parameter: value})
        def process_order(order_id: int) -> None: ...

    assert parameter in caught.value.what
    assert len(str(caught.value).splitlines()) == 3
    assert str(caught.value).splitlines()[2].startswith("Fix: ")


def test_a_bad_retry_parameter_is_a_value_error_too():
    with pytest.raises(ValueError, match="retries"):
        RetryPolicy(retries=-1)


def test_a_message_shows_the_value_and_a_line_to_copy():
    with pytest.raises(PolicyError) as caught:
        RetryPolicy(retries=-1)

    assert str(caught.value) == (
        "retries must be a whole number of at least 0, got -1.\n"
        "It counts the runs after the first one.\n"
        "Fix: retries=3 (at most four runs), or retries=0 for a single run."
    )


def test_a_function_that_fails_at_declaration_keeps_its_own_error_as_the_cause():
    with pytest.raises(PolicyError) as caught:
        RetryPolicy(backoff=lambda n: 1 / 0)

    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_policy_without_retries_asks_nothing_of_its_function():
    assert RetryPolicy(retries=0, backoff=lambda n: 1 / 0).max_attempts == 1


def test_a_year_is_the_longest_max_delay():
    assert RetryPolicy(max_delay=timedelta(days=365)).max_seconds == 365 * 24 * 3600


# In the worker


def late_failure(n: int) -> float:
    if n > 20:
        raise KeyError(n)
    return 5.0


@pytest.mark.parametrize(
    "backoff", [late_failure, lambda n: 5.0 if n <= 20 else 0, lambda n: 5.0 if n <= 20 else "x"]
)
def test_a_backoff_function_that_fails_in_the_worker_waits_max_delay(backoff, caplog):
    """It costs a log line and the longest wait, never the task."""
    policy = RetryPolicy(retries=100, backoff=backoff, max_delay=60)

    with caplog.at_level(logging.ERROR, "fw.attempt"):
        assert policy.stated_wait(21) == 60.0

    assert "backoff(21) failed" in caplog.text


def test_a_backoff_function_that_recovers_is_used_again():
    policy = RetryPolicy(retries=100, backoff=lambda n: 5.0 if n != 21 else 0, max_delay=60)

    assert [policy.stated_wait(n) for n in (20, 21, 22)] == [5.0, 60.0, 5.0]


# A policy is a value


def test_a_list_given_as_backoff_cannot_change_the_policy_later():
    seconds = [1, 2]
    policy = RetryPolicy(backoff=seconds)
    seconds[0] = 0

    assert policy.backoff == (1, 2)
    assert policy.stated_wait(1) == 1.0
    hash(policy)


def test_policies_of_equal_values_are_equal():
    assert RetryPolicy(retries=5, backoff=[1, 2]) == RetryPolicy(retries=5, backoff=(1, 2))
    assert RetryPolicy(retries=5) != RetryPolicy(retries=4)


def test_max_attempts_counts_the_first_run():
    assert RetryPolicy(retries=5).max_attempts == 6


# Named policies


@pytest.mark.usefixtures("named", "nested")
def test_a_task_uses_a_named_policy():
    network = register_policy("network", RetryPolicy(retries=9))

    @task_framework(policy="network")
    def fetch() -> None: ...

    assert fetch.spec.policy is network


@pytest.mark.usefixtures("nested")
def test_a_task_uses_a_policy_that_is_given_as_a_value():
    policy = RetryPolicy(retries=9)

    @task_framework(policy=policy)
    def fetch() -> None: ...

    assert fetch.spec.policy is policy


@pytest.mark.usefixtures("named", "nested")
def test_an_unknown_policy_name_is_refused_with_the_nearest():
    register_policy("network", RetryPolicy())

    with pytest.raises(PolicyError) as caught:

        @task_framework(policy="netwrok")
        def fetch() -> None: ...

    assert "No retry policy is named 'netwrok' (known: network)." in str(caught.value)
    assert caught.value.fix == 'policy="network"'


@pytest.mark.usefixtures("named", "nested")
def test_an_unknown_policy_name_where_there_are_none_says_how_to_make_one():
    with pytest.raises(PolicyError, match=r'Fix: register_policy\("network", RetryPolicy'):

        @task_framework(policy="network")
        def fetch() -> None: ...


@pytest.mark.usefixtures("named")
def test_two_policies_of_one_name_are_refused():
    register_policy("network", RetryPolicy(retries=1))

    with pytest.raises(PolicyError, match="Two policies claim the name 'network'"):
        register_policy("network", RetryPolicy(retries=2))


@pytest.mark.usefixtures("named")
def test_the_same_policy_may_be_registered_again():
    """A module that is reloaded says the same twice."""
    first = register_policy("network", RetryPolicy(retries=1, backoff=[1, 2]))

    assert register_policy("network", RetryPolicy(retries=1, backoff=[1, 2])) == first


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    ("name", "policy"), [("network", 3), ("network", None), ("", RetryPolicy()), (3, RetryPolicy())]
)
def test_what_is_no_policy_cannot_be_registered(name, policy):
    with pytest.raises(PolicyError, match="register_policy takes a name and a RetryPolicy"):
        register_policy(name, policy)


@pytest.mark.usefixtures("nested")
def test_a_policy_together_with_its_parameters_is_refused():
    with pytest.raises(PolicyError) as caught:

        @task_framework(policy=RetryPolicy(), retries=3, backoff=2)
        def fetch() -> None: ...

    assert "together with backoff, retries" in caught.value.what


@pytest.mark.usefixtures("nested")
def test_what_is_no_policy_is_refused_by_the_decorator():
    with pytest.raises(PolicyError, match="policy must be a RetryPolicy or the name of one, got 5"):

        @task_framework(policy=5)
        def fetch() -> None: ...
