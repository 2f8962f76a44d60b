"""What is said of a message that is not known to be queued."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from amqp.exceptions import PreconditionFailed

from fw_core import task_framework
from fw_core.broker.publish import FULL, Letter, Unconfirmed, _Publishing
from fw_core.broker.topology import Declared
from fw_core.client import current_app
from fw_core.errors import BrokerUnreachable, NotSent
from fw_testing import FakeBroker

LETTER = Letter(
    queue="default",
    exchange="fw.tasks",
    wait_ms=None,
    body="[[], {}, {}]",
    content_type="application/json",
    content_encoding="utf-8",
    headers={"id": "call-1"},
)


def test_it_reads_as_its_cause() -> None:
    """Logs show it, beside whatever it made fail."""
    assert str(Unconfirmed("no queue takes it", maybe=False)) == "no queue takes it"


def test_a_copy_keeps_all_that_is_known() -> None:
    """An attempt's errors travel between processes."""
    error = Unconfirmed(FULL, maybe=True, fix="empty it.", confirmed=[LETTER], refused=[LETTER])
    assert vars(copy.copy(error)) == vars(error)


def test_a_full_queue_is_said_in_a_sentence_that_ends_once() -> None:
    error = BrokerUnreachable(server="amqp://broker", setting="FW_BROKER_URL", cause=FULL)
    assert "perhaps because it is full.\n" in str(error)


def test_what_was_not_written_in_time_is_not_in_doubt(fw_broker: FakeBroker) -> None:
    """The last answer before the message used up the time: nothing has left."""
    app = current_app()

    class Slow(Declared):
        def ensure(self, *_: Any, **__: Any) -> None:
            attempt.deadline = time.monotonic()

    with app.producer_or_acquire() as producer:
        attempt = _Publishing(producer, LETTER, Slow(app.topology), deadline=time.monotonic() + 60)
        with pytest.raises(Unconfirmed, match="no answer in time") as raised:
            attempt.run()
    assert not raised.value.maybe
    assert not fw_broker.sent


@pytest.mark.parametrize(
    ("cause", "is_final"),
    [
        ("message size 17825794 is larger than configured max size 16777216", True),
        ("message size 135000000 is larger than max size 134217728", True),
        ("inequivalent arg 'x-queue-type' for queue 'default' in vhost '/'", False),
    ],
)
def test_only_a_message_that_is_too_large_is_never_taken(
    fw_broker: FakeBroker, monkeypatch: pytest.MonkeyPatch, cause: str, is_final: bool
) -> None:
    @task_framework
    def work() -> None: ...

    app = current_app()

    class Refusing(Declared):
        def ensure(self, *_: Any, **__: Any) -> None:
            raise PreconditionFailed(cause)

    monkeypatch.setattr(app.amqp, "declared", Refusing(app.topology))
    with pytest.raises(NotSent) as raised:
        work.delay()
    assert raised.value.is_final is is_final
    assert raised.value.after_commit().is_final is is_final
    assert copy.copy(raised.value).is_final is is_final
    assert copy.copy(raised.value.__cause__).is_final is is_final
