"""The stated waits of every kind of policy, and which errors are retried at all."""

from __future__ import annotations

from datetime import timedelta

from scenario import fails, scenario

from fw_core import RetryPolicy, current_attempt, register_policy, task_framework


class Rude(Exception):
    pass


class VeryRude(Rude):
    pass


def fail_until(number: int) -> str:
    if current_attempt().number < number:
        raise ConnectionError("no")
    return "at last"


@task_framework(retries=0)
def tries_once() -> None:
    raise ValueError("no")


@scenario(fails("tries_once()", "ValueError: no", "retries-spent: the task has no retries"))
def a_task_without_retries():
    tries_once.delay()


@task_framework(retries=3, backoff=[0.1, 0.2, 0.3], jitter=0)
def climbs(succeeds_on: int) -> str:
    return fail_until(succeeds_on)


@scenario(
    """
    climbs(4)
        1: retry in 0.1 s after ConnectionError: no
        2: retry in 0.2 s after ConnectionError: no
        3: retry in 0.3 s after ConnectionError: no
        4: succeeded 'at last'
        result SUCCESS 'at last' after 4 attempts
    """
)
def a_list_of_waits():
    climbs.delay(4)


@task_framework(retries=4, backoff=[0.2, 0.1], jitter=0)
def repeats_the_last(succeeds_on: int) -> str:
    return fail_until(succeeds_on)


@scenario(
    """
    repeats_the_last(5)
        1: retry in 0.2 s after ConnectionError: no
        2: retry in 0.1 s after ConnectionError: no
        3: retry in 0.1 s after ConnectionError: no
        4: retry in 0.1 s after ConnectionError: no
        5: succeeded 'at last'
        result SUCCESS 'at last' after 5 attempts
    """
)
def the_last_wait_of_a_list_repeats():
    repeats_the_last.delay(5)


@task_framework(retries=3, backoff=3, max_delay=0.3, jitter=0)
def is_capped(succeeds_on: int) -> str:
    return fail_until(succeeds_on)


@scenario(
    """
    is_capped(3)
        1: retry in 0.3 s after ConnectionError: no
        2: retry in 0.3 s after ConnectionError: no
        3: succeeded 'at last'
        result SUCCESS 'at last' after 3 attempts
    """
)
def waits_are_capped():
    is_capped.delay(3)


@task_framework(retries=2, backoff=[5, 9], max_delay=timedelta(milliseconds=200), jitter=0)
def is_capped_by_a_timedelta(succeeds_on: int) -> str:
    return fail_until(succeeds_on)


@scenario(
    """
    is_capped_by_a_timedelta(2)
        1: retry in 0.2 s after ConnectionError: no
        2: succeeded 'at last'
        result SUCCESS 'at last' after 2 attempts
    """
)
def waits_are_capped_by_a_timedelta():
    is_capped_by_a_timedelta.delay(2)


@task_framework(retries=3, backoff=1, max_delay=0.5, jitter=0)
def waits_evenly(succeeds_on: int) -> str:
    return fail_until(succeeds_on)


@scenario(
    """
    waits_evenly(2)
        1: retry in 0.5 s after ConnectionError: no
        2: succeeded 'at last'
        result SUCCESS 'at last' after 2 attempts
    """
)
def the_smallest_growth_capped():
    waits_evenly.delay(2)


@task_framework(retries=3, backoff=lambda n: n / 10, jitter=0)
def is_computed(succeeds_on: int) -> str:
    return fail_until(succeeds_on)


@scenario(
    """
    is_computed(9)
        1: retry in 0.1 s after ConnectionError: no
        2: retry in 0.2 s after ConnectionError: no
        3: retry in 0.3 s after ConnectionError: no
        4: failed ConnectionError: no
        result FAILURE ConnectionError: no after 4 attempts
        dead retries-spent: the last of 4 attempts failed
    """
)
def waits_that_a_function_gives():
    is_computed.delay(9)


@task_framework(retries=2, backoff=[0.2], jitter=1.0)
def has_jitter(succeeds_on: int) -> str:
    return fail_until(succeeds_on)


@scenario(
    """
    has_jitter(3)
        1: retry in 0.2 s after ConnectionError: no
        2: retry in 0.2 s after ConnectionError: no
        3: succeeded 'at last'
        result SUCCESS 'at last' after 3 attempts
    """
)
def a_stated_wait_is_the_one_before_jitter():
    has_jitter.delay(3)


@task_framework(policy=RetryPolicy(retries=1, backoff=[0.1], jitter=0))
def has_a_policy(succeeds_on: int) -> str:
    return fail_until(succeeds_on)


@scenario(
    """
    has_a_policy(2)
        1: retry in 0.1 s after ConnectionError: no
        2: succeeded 'at last'
        result SUCCESS 'at last' after 2 attempts
    """
)
def a_policy_of_its_own():
    has_a_policy.delay(2)


register_policy("scenarios", RetryPolicy(retries=1, backoff=[0.3], jitter=0, give_up_on=Rude))


@task_framework(policy="scenarios")
def has_the_team_s_policy(rude: bool) -> str:
    if rude:
        raise VeryRude("!")
    return fail_until(2)


@scenario(
    """
    has_the_team_s_policy(False)
        1: retry in 0.3 s after ConnectionError: no
        2: succeeded 'at last'
        result SUCCESS 'at last' after 2 attempts
    """
)
def the_team_s_policy_by_its_name():
    has_the_team_s_policy.delay(False)


@scenario(
    fails(
        "has_the_team_s_policy(True)",
        "VeryRude: !",
        "gave-up: VeryRude is not retried by the task's policy",
    )
)
def a_subclass_of_an_error_that_is_given_up():
    has_the_team_s_policy.delay(True)


@task_framework(retries=1, backoff=[0.1], jitter=0, retry_on=ConnectionError)
def retries_connections(kind: str) -> None:
    raise {"refused": ConnectionRefusedError, "value": ValueError}[kind](kind)


@scenario(
    """
    retries_connections('refused')
        1: retry in 0.1 s after ConnectionRefusedError: refused
        2: failed ConnectionRefusedError: refused
        result FAILURE ConnectionRefusedError: refused after 2 attempts
        dead retries-spent: the last of 2 attempts failed
    """
)
def an_error_that_is_retried():
    retries_connections.delay("refused")


@scenario(
    fails(
        "retries_connections('value')",
        "ValueError: value",
        "gave-up: ValueError is not retried by the task's policy",
    )
)
def an_error_that_is_not_retried():
    retries_connections.delay("value")


@task_framework(retries=3, backoff=[0.1], jitter=0, retry_on=Rude, give_up_on=(VeryRude,))
def draws_a_line(attempt_of_a_very_rude: int) -> str:
    number = current_attempt().number
    raise (VeryRude if number == attempt_of_a_very_rude else Rude)(f"{number}")


@scenario(
    """
    draws_a_line(2)
        1: retry in 0.1 s after Rude: 1
        2: failed VeryRude: 2
        result FAILURE VeryRude: 2 after 2 attempts
        dead gave-up: VeryRude is not retried by the task's policy
    """
)
def give_up_on_wins_over_retry_on():
    draws_a_line.delay(2)
