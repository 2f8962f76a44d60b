"""What one call may have differently: queue, delay, priority, expires, id, after a commit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from scenario import scenario, succeeds

from fw_core import RetryLater, after_commit, current_attempt, task_framework
from fw_core.client import current_app


@task_framework
def works(number: int) -> str:
    return f"{number} in {current_attempt().queue}"


@task_framework(queue="mail")
def mails(number: int) -> str:
    return f"{number} in {current_attempt().queue}"


@scenario(
    """
    mails(1) to mail
        1: succeeded '1 in mail'
        result SUCCESS '1 in mail'
    """
)
def a_task_s_own_queue():
    mails.delay(1)


@scenario(
    """
    works(1) to mail
        1: succeeded '1 in mail'
        result SUCCESS '1 in mail'
    """
)
def a_call_s_own_queue():
    works.options(queue="mail").delay(1)


@task_framework(retries=1, backoff=[0.1], jitter=0)
def fails_once() -> str:
    if current_attempt().number == 1:
        raise ConnectionError("no")
    return current_attempt().queue


@scenario(
    """
    fails_once() to mail
        1: retry in 0.1 s after ConnectionError: no
        2: succeeded 'mail'
        result SUCCESS 'mail' after 2 attempts
    """
)
def a_retry_stays_in_the_call_s_queue():
    fails_once.options(queue="mail").delay()


@scenario(
    """
    works(2) delayed
        1: succeeded '2 in default'
        result SUCCESS '2 in default'
    """
)
def a_call_that_starts_later():
    works.options(delay=0.3).delay(2)


@scenario(
    """
    works(3) delayed
        1: succeeded '3 in default'
        result SUCCESS '3 in default'
    """
)
def celery_s_countdown():
    works.apply_async((3,), countdown=0.2)


@scenario(
    """
    works(4) delayed
        1: succeeded '4 in default'
        result SUCCESS '4 in default'
    """
)
def celery_s_eta():
    works.apply_async((4,), eta=current_app().now() + timedelta(seconds=0.2))


@scenario(succeeds("works(5)", "'5 in default'"))
def an_eta_that_has_passed_means_now():
    works.apply_async((5,), eta=datetime(2020, 1, 1, tzinfo=UTC))


@scenario(
    """
    works(6) delayed
        1: succeeded '6 in default'
        result SUCCESS '6 in default'
    works(7) delayed
        1: succeeded '7 in default'
        result SUCCESS '7 in default'
    """
)
def many_calls_that_start_later():
    works.options(delay=timedelta(milliseconds=200)).delay_many([(6,), (7,)])


@scenario(
    """
    works(8) priority 7
        1: succeeded '8 in default'
        result SUCCESS '8 in default'
    """
)
def a_call_with_a_priority():
    works.options(priority=7).delay(8)


@task_framework(priority=9, retries=1, backoff=[0.1], jitter=0)
def is_urgent() -> str:
    if current_attempt().number == 1:
        raise ConnectionError("no")
    return "done"


@scenario(
    """
    is_urgent() priority 9
        1: retry in 0.1 s after ConnectionError: no
        2: succeeded 'done'
        result SUCCESS 'done' after 2 attempts
    """
)
def a_task_with_a_priority():
    is_urgent.delay()


@task_framework(queue="one-by-one")
def waits_in_line(number: int) -> int:
    return number


@scenario(
    """
    waits_in_line(1) to one-by-one
        1: succeeded 1
        result SUCCESS 1
    waits_in_line(2) to one-by-one
        1: succeeded 2
        result SUCCESS 2
    waits_in_line(3) to one-by-one
        1: succeeded 3
        result SUCCESS 3
    """,
    in_order=["waits_in_line(1)", "waits_in_line(2)", "waits_in_line(3)"],
)
def first_sent_runs_first():
    for number in (1, 2, 3):
        waits_in_line.delay(number)


@scenario(
    """
    waits_in_line(11) to one-by-one
        1: succeeded 11
        result SUCCESS 11
    waits_in_line(12) to one-by-one priority 7
        1: succeeded 12
        result SUCCESS 12
    """,
    in_order=["waits_in_line(12)", "waits_in_line(11)"],
    needs_priorities=True,
)
def high_priority_goes_first():
    waits_in_line.delay(11)
    waits_in_line.options(priority=7).delay(12)


@scenario(
    """
    works(9) expires
        1: succeeded '9 in default'
        result SUCCESS '9 in default'
    """
)
def a_call_that_starts_before_it_expires():
    works.options(expires=60).delay(9)


@task_framework(expires=2, retries=3, queue="one-by-one")
def is_news(asks: bool) -> str:
    if asks:
        raise RetryLater(2.5)
    raise ConnectionError("no")


@scenario(
    """
    is_news(True) to one-by-one expires
        1: later in 2.5 s
        1: failed fw_core.Expired: is_news was not run: it had to start by 202… (83)
        result FAILURE fw_core.Expired: is_news was not run: it had to start by 202… (83) after 2 attempts
        dead expired: it came too late
    """
)
def a_call_that_would_start_too_late():
    is_news.delay(True)


@task_framework(retries=3, backoff=[2.5], jitter=0, queue="one-by-one")
def is_old_news() -> str:
    raise ConnectionError("no")


@scenario(
    """
    is_old_news() to one-by-one expires
        1: retry in 2.5 s after ConnectionError: no
        2: failed fw_core.Expired: is_old_news was not run: it had to start by… (87)
        result FAILURE fw_core.Expired: is_old_news was not run: it had to start by… (87) after 2 attempts
        dead expired: it came too late
    """
)
def a_retry_that_would_start_too_late():
    is_old_news.options(expires=timedelta(seconds=2)).delay()


@scenario(succeeds("works(10)", "'10 in default'"))
def an_id_of_one_s_own():
    result = works.options(id="scenario-own-id").delay(10)
    assert result.id == works.result("scenario-own-id").id == "scenario-own-id"


@scenario(
    """
    works(20) sent 2 times
        1: succeeded '20 in default'
        1: started
        result SUCCESS '20 in default'
    """
)
def the_same_call_twice_runs_twice_at_most():
    first = works.options(id="scenario-twice").delay(20)
    yield lambda: first.state == "SUCCESS"
    works.options(id="scenario-twice").delay(20)


class Transaction:
    """What commits, as ``django.db.transaction`` does."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], Any]] = []

    def on_commit(self, func: Callable[[], Any], /) -> None:
        self.waiting.append(func)

    def commit(self) -> None:
        for function in self.waiting:
            function()


@scenario(
    """
    works(30)
        1: succeeded '30 in default'
        result SUCCESS '30 in default'
    works(31) delayed
        1: succeeded '31 in default'
        result SUCCESS '31 in default'
    """
)
def calls_that_wait_for_a_commit():
    transaction = Transaction()
    with after_commit(transaction):
        works.delay(30)
        works.options(delay=0.2).delay(31)
    transaction.commit()


@scenario("")
def calls_whose_transaction_is_rolled_back():
    with after_commit(Transaction()):
        works.delay(40)


@scenario("")
def an_option_that_cannot_be_kept_sends_nothing():
    from fw_core import OptionError, UnknownQueueError

    for options in ({"delay": -1}, {"priority": 10}, {"queue": "nowhere"}, {"id": ""}):
        try:
            works.options(**options).delay(50)
        except (OptionError, UnknownQueueError):
            continue
        raise AssertionError(options)
