"""Messages that come again, and processes that die under their attempts."""

from __future__ import annotations

from scenario import (
    fails,
    give_back,
    process_dies,
    scenario,
    times_run,
)

from fw_core import current_attempt, task_framework

DIED = "fw_core.WorkerDied: The process that ran dies ended before t… (118)"


@task_framework(retries=1, backoff=[0.1], jitter=0)
def dies(times: int) -> str:
    if times_run() <= times:
        process_dies()
    return f"alive at attempt {current_attempt().number}"


@scenario(
    f"""
    dies(1)
        1: retry in 0.1 s after {DIED}
        2: succeeded 'alive at attempt 2'
        result SUCCESS 'alive at attempt 2' after 2 attempts
    """
)
def a_process_that_dies_is_a_failed_attempt():
    dies.delay(1)


@scenario(
    f"""
    dies(2)
        1: retry in 0.1 s after {DIED}
        2: failed {DIED}
        result FAILURE {DIED} after 2 attempts
        dead died: the last of 2 attempts failed
    """
)
def a_process_that_dies_each_time():
    dies.delay(2)


@task_framework(retries=0, retry_on=ValueError)
def dies_at_once() -> None:
    process_dies()


@scenario(
    fails(
        "dies_at_once()",
        "fw_core.WorkerDied: The process that ran dies_at_once ended … (126)",
        "died: the task has no retries",
    )
)
def a_process_that_dies_under_a_task_without_retries():
    dies_at_once.delay()


@task_framework(queue="brought-again")
def tells_redelivered(number: int) -> list[object]:
    attempt = current_attempt()
    return [number, attempt.number, attempt.redelivered]


@scenario(
    """
    tells_redelivered(1) to brought-again
        1: succeeded [1, 1, True] (came again)
        result SUCCESS [1, 1, True]
    """,
    before_the_workers=True,
)
def a_message_that_was_delivered_before():
    tells_redelivered.delay(1)
    give_back("brought-again")


@task_framework(queue="brought-again-and-failing", retries=1, backoff=[0.1], jitter=0)
def fails_redelivered() -> bool:
    attempt = current_attempt()
    if attempt.number == 1:
        raise ConnectionError(f"redelivered: {attempt.redelivered}")
    return attempt.redelivered


@scenario(
    """
    fails_redelivered() to brought-again-and-failing
        1: retry in 0.1 s after ConnectionError: redelivered: True (came again)
        2: succeeded False
        result SUCCESS False after 2 attempts
    """,
    before_the_workers=True,
)
def the_retry_of_a_redelivered_message_is_a_new_message():
    fails_redelivered.delay()
    give_back("brought-again-and-failing")
