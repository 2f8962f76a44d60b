"""Calls that wait for Django's own transactions; run by ``nox -s frameworks``, which has Django."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fw_core import NotSent, after_commit, task_framework
from fw_core.broker import amqp
from fw_core.broker.publish import Unconfirmed
from fw_testing import FakeBroker

pytest.importorskip("django")

import django
from django import conf  # not its settings: doctest looks into every name of this module
from django.db import connections, transaction


@pytest.fixture(autouse=True)
def database(tmp_path: Path) -> Iterator[None]:
    if not conf.settings.configured:
        sqlite = {"ENGINE": "django.db.backends.sqlite3"}
        conf.settings.configure(
            DATABASES={
                "default": {**sqlite, "NAME": ":memory:"},
                "orders": {**sqlite, "NAME": ":memory:"},
            },
            USE_TZ=True,
        )
        django.setup()
    yield
    connections.close_all()


def pay_task() -> Any:
    @task_framework
    def pay(order_id: int) -> int:
        return order_id

    return pay


def sent(broker: FakeBroker) -> list[int]:
    return [message.args[0] for message in broker.sent]


def test_a_call_is_sent_when_the_atomic_block_ends(fw_broker: FakeBroker):
    pay = pay_task()

    with transaction.atomic():
        pay.options(after_commit=transaction).delay(1)
        with after_commit(transaction):
            pay.delay(2)
            pay.delay_many([(3,), (4,)])
        assert sent(fw_broker) == []

    assert sent(fw_broker) == [1, 2, 3, 4]


def test_a_rolled_back_block_forgets_its_calls_and_a_savepoint_its_own(fw_broker: FakeBroker):
    pay = pay_task()

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        pay.options(after_commit=transaction).delay(1)
        raise ZeroDivisionError
    with transaction.atomic(), after_commit(transaction):
        pay.delay(2)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            pay.delay(3)
            raise ZeroDivisionError

    assert sent(fw_broker) == [2]


def test_without_a_transaction_a_call_is_sent_at_once(fw_broker: FakeBroker):
    """As Django runs a hook at once in autocommit mode."""
    pay_task().options(after_commit=transaction).delay(1)

    assert sent(fw_broker) == [1]


def test_another_database_is_given_by_its_connection(fw_broker: FakeBroker):
    pay = pay_task()

    with transaction.atomic(using="orders"):
        pay.options(after_commit=connections["orders"]).delay(1)
        assert sent(fw_broker) == []

    assert sent(fw_broker) == [1]


def test_a_send_that_fails_is_raised_by_the_end_of_the_block(
    fw_broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: Any, **__: Any) -> None:
        raise Unconfirmed("connection refused", maybe=False)

    monkeypatch.setattr(amqp, "publish", refuse)
    with pytest.raises(NotSent) as raised, transaction.atomic():
        result = pay_task().options(after_commit=transaction).delay(1)

    assert raised.value.committed
    assert raised.value.task_id == result.id
