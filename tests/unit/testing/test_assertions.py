"""Assertions about calls: what they take for the same, and what a failed one shows."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from unittest.mock import ANY

import pytest

from fw_core import CallError, GiveUp, RetryLater, task_framework
from fw_core.errors import UnknownTaskError
from fw_testing import Eager, FakeBroker
from fw_testing.errors import (
    NotDeadAssertion,
    NothingProven,
    NotIdempotentAssertion,
    NotRetriedAssertion,
    NotSentAssertion,
    SecondRunFailed,
    SentAssertion,
    WhichCall,
)

pytest_plugins = ["pytester"]


@task_framework(name="shop.order")
def order(order_id: int, gift: bool = False, note: str = "") -> None: ...


@task_framework(name="shop.mail")
def mail(address: str, subject: str) -> None: ...


@task_framework(name="shop.pay", retries=3, backoff=3, jitter=0)
def pay(order_id: int) -> None:
    raise ConnectionError("no route")


@dataclass(eq=False)
class Above:
    """Equal to every number above another."""

    limit: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and other > self.limit

    __hash__ = None  # type: ignore[assignment]


def said(assertion: pytest.ExceptionInfo[AssertionError]) -> str:
    """What the failed assertion shows."""
    return str(assertion.value)


# assert_sent


def test_arguments_are_compared_by_their_names(fw_broker: FakeBroker) -> None:
    """However the call wrote them."""
    mail.delay("a@b", subject="hi")

    assert fw_broker.assert_sent(mail, address="a@b", subject="hi").queue == "default"
    fw_broker.assert_sent(mail, "a@b", "hi")
    fw_broker.assert_sent(mail)


def test_what_is_left_out_has_its_default(fw_broker: FakeBroker) -> None:
    """The function gets the same."""
    order.delay(1, gift=False)
    order.delay(2)

    fw_broker.assert_sent(order, 1)
    fw_broker.assert_sent(order, 2, note="")
    with pytest.raises(NotSentAssertion, match="gift: True != False"):
        fw_broker.assert_sent(order, 1, gift=True)


def test_a_call_is_found_by_the_name_of_its_task(fw_broker: FakeBroker) -> None:
    """As a registry or a workflow knows it."""
    order.delay(1)

    fw_broker.assert_sent("shop.order", 1)
    fw_broker.assert_not_sent("shop.order", 2)
    with pytest.raises(UnknownTaskError, match=r"shop\.order"):
        fw_broker.assert_not_sent("shop.ordr")


def test_options_are_asserted_too(fw_broker: FakeBroker) -> None:
    """The queue, the delay, the priority and the id."""
    order.options(delay=60, priority=7, id="one").delay(1)

    fw_broker.assert_sent(order, 1, queue="default", delay=60, priority=7, id="one")
    fw_broker.assert_sent(order, delay=timedelta(minutes=1))
    with pytest.raises(NotSentAssertion, match="delay: 30 s != 60 s"):
        fw_broker.assert_sent(order, 1, delay=30)


def test_an_argument_that_is_named_like_an_option_is_the_argument(fw_broker: FakeBroker) -> None:
    """A task may well take an id."""

    @task_framework
    def load(id: int) -> None: ...

    load.delay(7)
    fw_broker.assert_sent(load, id=7)
    with pytest.raises(NotSentAssertion, match="id: 8 != 7"):
        fw_broker.assert_sent(load, id=8)


def test_any_and_other_matchers_stand_for_arguments(fw_broker: FakeBroker) -> None:
    """Also inside a list or a dict, and against the values that the function gets."""

    @task_framework
    def report(when: datetime, rows: list[dict[str, int]], share: float) -> None: ...

    report.delay(datetime(2026, 1, 1, tzinfo=UTC), [{"id": 41, "n": 2}], 0.1 + 0.2)

    fw_broker.assert_sent(report, ANY, [{"id": Above(40), "n": ANY}], pytest.approx(0.3))
    with pytest.raises(NotSentAssertion, match=r"rows\[0\]\['id'\]: Above\(limit=41\) != 41"):
        fw_broker.assert_sent(report, ANY, [{"id": Above(41), "n": ANY}], share=ANY)


def test_values_are_compared_after_their_way_through_json(fw_broker: FakeBroker) -> None:
    """A test writes what the call wrote."""

    @task_framework
    def plan(when: datetime, days: tuple[int, ...]) -> None: ...

    moment = datetime(2026, 1, 1, tzinfo=UTC)
    plan.delay(moment, (1, 2))
    fw_broker.assert_sent(plan, moment, (1, 2))
    fw_broker.assert_not_sent(plan, moment, (1, 3))


def test_arguments_that_no_call_could_have_are_refused(fw_broker: FakeBroker) -> None:
    """assert_not_sent would hold for ever."""
    with pytest.raises(CallError, match="must be int, got '7'"):
        fw_broker.assert_not_sent(order, "7")
    with pytest.raises(CallError, match="unexpected keyword"):
        fw_broker.assert_not_sent(order, 7, gfit=True)


def test_a_failed_one_shows_the_nearest_call_first(fw_broker: FakeBroker) -> None:
    """And marks what is different, argument by argument."""
    mail.delay("a@b", "hi")
    order.delay(500, gift=False)
    order.delay(43, gift=True)

    with pytest.raises(NotSentAssertion) as caught:
        fw_broker.assert_sent(order, 42, gift=True, queue="bulk")
    assert said(caught) == (
        "shop.order(42, gift=True) with queue='bulk' was not sent.\n"
        "Sent were, the nearest first (expected != sent):\n"
        "  shop.order(43, True) with queue='default'\n"
        "      order_id: 42 != 43\n"
        "      queue: 'bulk' != 'default'\n"
        "  shop.order(500, False) with queue='default'\n"
        "      order_id: 42 != 500\n"
        "      gift: True != False\n"
        "      queue: 'bulk' != 'default'\n"
        "  shop.mail('a@b', 'hi') with queue='default'\n"
        "Fix: fw_broker.drain(), if one of the 3 that wait is to send it; else send it, or "
        "correct what the test expects."
    )


def test_long_values_are_shortened_around_the_difference(fw_broker: FakeBroker) -> None:
    """Two letters of a thousand are found at once."""
    order.delay(1, note="x" * 500 + "a" + "y" * 500)

    with pytest.raises(NotSentAssertion) as caught:
        fw_broker.assert_sent(order, 1, note="x" * 500 + "b" + "y" * 500)
    [line] = [line for line in said(caught).splitlines() if " != …" in line]
    assert line.strip().startswith("note: …" + "x" * 20 + "b")
    assert len(line) < 200


def test_of_many_calls_a_few_are_shown(fw_broker: FakeBroker) -> None:
    """A screen holds so many lines."""
    for number in range(50):
        order.delay(number)

    with pytest.raises(NotSentAssertion, match="… and 42 more") as caught:
        fw_broker.assert_sent(order, 51)
    assert len(said(caught).splitlines()) < 30


def test_assert_not_sent_is_about_the_arguments_that_are_given(fw_broker: FakeBroker) -> None:
    """And about every call where there are none."""
    order.delay(1)

    fw_broker.assert_not_sent(mail)
    fw_broker.assert_not_sent(order, 2)
    fw_broker.assert_not_sent(order, queue="bulk")
    with pytest.raises(SentAssertion, match=r"shop\.order was sent once.\nSent were:\n  shop"):
        fw_broker.assert_not_sent(order)
    with pytest.raises(SentAssertion, match=r"shop\.order\(1\) was sent once"):
        fw_broker.assert_not_sent(order, 1)


# assert_dead


def test_a_dead_letter_is_found_by_its_error(fw_eager: Eager) -> None:
    """By its type, a type that it derives from, an error like it, or its text."""
    pay.delay(1)

    for error in (
        ConnectionError,
        OSError,
        ConnectionError("no route"),
        "no route",
        re.compile(r"^Connection.*route$"),
    ):
        assert fw_eager.assert_dead(pay, error=error).task == "shop.pay"
    assert fw_eager.assert_dead("shop.pay", 1).error == "ConnectionError: no route"
    for other in (ValueError, ConnectionError("no rout"), "no way", re.compile("^no")):
        with pytest.raises(NotDeadAssertion, match=r"error: .* != ConnectionError: no route"):
            fw_eager.assert_dead(pay, error=other)


def test_giving_up_is_an_error_like_others(fw_eager: Eager) -> None:
    """Though it is no Exception."""

    @task_framework
    def gives_up() -> None:
        raise GiveUp("no such mailbox")

    gives_up.delay()
    fw_eager.assert_dead(gives_up, error=GiveUp)
    fw_eager.assert_dead(gives_up, error="no such mailbox")


def test_a_call_that_is_not_dead_says_where_it_is(fw_broker: FakeBroker) -> None:
    """Most often it has not come to its end."""
    pay.delay(1)
    with pytest.raises(NotDeadAssertion, match=r"Fix: run it first: fw_broker\.drain\(\)"):
        fw_broker.assert_dead(pay)
    fw_broker.drain()

    with pytest.raises(NotDeadAssertion) as caught:
        fw_broker.assert_dead(pay, 1)
    assert said(caught) == (
        "shop.pay(1) is no dead letter.\n"
        "There are no dead letters.\n"
        "Its calls:\n"
        "  shop.pay(1)\n"
        "      attempt 1 retry: ConnectionError: no route (wait 3 s)\n"
        "      attempt 2 waits for 3 s more\n"
        "Fix: let it go on: fw_broker.advance(3), then fw_broker.drain()"
    )


# assert_retried


def test_the_waits_are_those_that_the_policy_states(fw_eager: Eager) -> None:
    """Before jitter."""
    pay.delay(1)

    assert fw_eager.assert_retried(pay, waits=[3, 9, 27]) == [3, 9, 27]
    fw_eager.assert_retried("shop.pay", 1)
    fw_eager.assert_retried(pay, waits=[ANY, timedelta(seconds=9), 27.0])
    with pytest.raises(NotRetriedAssertion, match=r"the waits \[3, 9\]; they were \[3, 9, 27\]"):
        fw_eager.assert_retried(pay, waits=[3, 9])


def test_of_several_calls_one_has_to_be_meant(fw_eager: Eager) -> None:
    """Each has waits of its own."""
    first, _ = pay.delay(1), pay.delay(2)

    with pytest.raises(WhichCall, match=rf"pay\(1\)   id='{first.id}'"):
        fw_eager.assert_retried(pay, waits=[3, 9, 27])
    fw_eager.assert_retried(pay, 2, waits=[3, 9, 27])
    fw_eager.assert_retried(pay, id=first.id, waits=[3, 9, 27])


def test_a_call_that_was_not_retried_says_what_became_of_it(fw_broker: FakeBroker) -> None:
    """It succeeded, waits, or was never made."""
    with pytest.raises(NotRetriedAssertion, match="no such call was made"):
        fw_broker.assert_retried(order)
    order.delay(1)
    with pytest.raises(NotRetriedAssertion, match="is ready and has not run"):
        fw_broker.assert_retried(order)
    fw_broker.drain()
    with pytest.raises(NotRetriedAssertion, match="attempt 1 succeeded"):
        fw_broker.assert_retried(order)


def test_running_later_is_a_wait_too(fw_eager: Eager) -> None:
    """The body asked for it."""
    tries: list[int] = []

    @task_framework
    def polls() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise RetryLater(10)

    polls.delay()
    fw_eager.assert_retried(polls, waits=[10, 10])


# assert_idempotent


@pytest.fixture(params=["fw_eager", "fw_broker"])
def either(request: pytest.FixtureRequest) -> Eager | FakeBroker:
    """Both fixtures, one after the other."""
    fixture: Eager | FakeBroker = request.getfixturevalue(request.param)
    return fixture


@pytest.mark.parametrize("ignores", [True, False])
def test_a_task_that_charges_twice_is_found_out(either: Eager | FakeBroker, ignores: bool) -> None:
    """Also one whose kept result would keep the second run away."""
    charges: list[int] = []

    @task_framework(name="shop.charge", ignore_result=ignores)
    def charge(order_id: int) -> None:
        charges.append(order_id)

    with pytest.raises(NotIdempotentAssertion) as caught:
        either.assert_idempotent(charge, 42, probe=lambda: charges)
    assert said(caught) == (
        "shop.charge(42) does more when it runs twice.\n"
        "A message can come again after a crash of its worker. The probe saw "
        "(after the first run != after the second):\n"
        "  probe: [42] != [42, 42]\n"
        "  after the first run:  [42]\n"
        "  after the second run: [42, 42]\n"
        "Fix: look whether the work is done already, or do it under a key that is the same in "
        "both runs: current_attempt().task_id"
    )


def test_a_task_that_looks_first_is_idempotent(either: Eager | FakeBroker) -> None:
    """Its body ran twice."""
    charges: dict[int, int] = {}
    runs: list[bool] = []

    @task_framework
    def charge(order_id: int) -> None:
        from fw_core import current_attempt

        runs.append(current_attempt().redelivered)
        charges.setdefault(order_id, 999)

    either.assert_idempotent(charge, order_id=42, probe=lambda: charges)
    assert runs == [False, True]


def test_what_the_task_sends_is_an_effect_too(either: Eager | FakeBroker) -> None:
    """A receipt that goes out twice is read twice."""
    receipts: list[int] = []

    @task_framework
    def receipt(order_id: int) -> None:
        receipts.append(order_id)

    @task_framework
    def charge(order_id: int) -> None:
        receipt.delay(order_id)

    with pytest.raises(NotIdempotentAssertion, match=r"probe: \[42\] != \[42, 42\]"):
        either.assert_idempotent(charge, 42, probe=lambda: receipts)


def test_the_message_that_succeeded_comes_again(either: Eager | FakeBroker) -> None:
    """That of the retry, where the first attempt failed."""
    numbers: list[int] = []
    done: set[int] = set()

    @task_framework(backoff=3)
    def flaky() -> None:
        from fw_core import current_attempt

        numbers.append(current_attempt().number)
        if len(numbers) == 1:
            raise ConnectionError
        done.add(1)

    either.assert_idempotent(flaky, probe=lambda: done)
    assert numbers == [1, 2, 2]


def test_a_probe_that_sees_nothing_proves_nothing(either: Eager | FakeBroker) -> None:
    """It would see nothing of the second run either."""
    with pytest.raises(NothingProven, match=r"The probe saw \[\] before the first run and after"):
        either.assert_idempotent(order, 42, probe=list)


def test_a_probe_whose_values_cannot_be_compared_proves_nothing(
    either: Eager | FakeBroker,
) -> None:
    """Each look would find another object."""
    for value in (object(), [object()], threading.Lock()):
        with pytest.raises(NothingProven, match="of which no copy can be made"):
            either.assert_idempotent(order, 42, probe=lambda value=value: value)


def test_a_first_run_that_fails_proves_nothing(either: Eager | FakeBroker) -> None:
    """Its attempts are shown."""
    with pytest.raises(NothingProven, match="attempt 4 failed: ConnectionError: no route"):
        either.assert_idempotent(pay, 42, probe=list)


def test_a_second_run_that_fails_is_no_good_end(either: Eager | FakeBroker) -> None:
    """The work is done, and the result says that it failed."""
    charges: set[int] = set()

    @task_framework(retries=0)
    def charge(order_id: int) -> None:
        if order_id in charges:
            raise ValueError("charged already")
        charges.add(order_id)

    with pytest.raises(SecondRunFailed, match="ValueError: charged already"):
        either.assert_idempotent(charge, 42, probe=lambda: charges)


# where a failed one points to


def test_a_failure_ends_in_the_test(pytester: pytest.Pytester) -> None:
    """The line that is wrong is the last one that pytest shows."""
    pytester.makepyfile(
        """
        from fw_core import task_framework

        @task_framework
        def add(a: int, b: int) -> int:
            return a + b

        def test_sent(fw_broker):
            fw_broker.assert_sent(add, 1, 2)

        def test_not_sent(fw_eager):
            add.delay(1, 2)
            fw_eager.assert_not_sent(add)

        def test_dead(fw_eager):
            fw_eager.assert_dead(add)

        def test_retried(fw_eager):
            fw_eager.assert_retried(add)

        def test_idempotent(fw_eager):
            fw_eager.assert_idempotent(add, 1, 2, probe=list)

        def test_wrong_arguments(fw_eager):
            fw_eager.assert_sent(add, "1", 2)

        def test_unknown(fw_eager):
            fw_eager.assert_sent("ad")
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "--tb=short")
    result.assert_outcomes(failed=7)
    places = [line for line in result.outlines if re.match(r"\S+\.py:\d+: ", line)]
    assert len(places) == 7
    assert all(line.startswith("test_a_failure_ends_in_the_test.py:") for line in places), places
