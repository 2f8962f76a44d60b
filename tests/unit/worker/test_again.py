"""A message that comes again while its first run ends, in a pool of threads."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state

from fw_worker.again import is_in_hand
from fw_worker.request import AttemptRequest


def message(message_id: str) -> Any:
    """A message that the broker delivered before."""
    return SimpleNamespace(
        delivery_info={"redelivered": True}, properties={"message_id": message_id}, headers={}
    )


def request(message_id: str) -> Any:
    """As much of a request that runs as its end asks for."""
    made: Any = object.__new__(AttemptRequest)
    made._message = message(message_id)
    made._connection_errors = ()
    made._on_ack = lambda *_: None
    return made


class AlmostTooLate:
    """The request's run ends in its own thread, just as a delivery is added."""

    def __init__(self, running: Any) -> None:
        self.end = Thread(target=running.acknowledge)

    def __iter__(self) -> Iterator[Any]:
        if not self.end.ident:
            self.end.start()
            self.end.join(0.2)
        return iter(())


def test_a_message_that_comes_again_as_its_run_ends_is_acknowledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that nobody acknowledges is held until the broker closes the channel for it."""
    running = request("ends now")
    deliveries = vars(running)["deliveries"] = AlmostTooLate(running)
    monkeypatch.setattr(state, "reserved_requests", {running})
    acknowledged: list[str] = []

    assert is_in_hand(message("ends now"), lambda *_: acknowledged.append("again"), None, ())
    deliveries.end.join(10)

    assert acknowledged == ["again"]


class Changing(set[Any]):
    """A set that another thread changes during the first look at it."""

    is_changing = True

    def __iter__(self) -> Iterator[Any]:
        if self.is_changing:
            self.is_changing = False
            raise RuntimeError("Set changed size during iteration")
        return super().__iter__()


def test_attempts_that_end_while_somebody_looks_do_not_end_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Threads leave the set of what runs while the consumer looks into it."""
    monkeypatch.setattr(state, "reserved_requests", Changing({request("another")}))

    assert not is_in_hand(message("new"), None, None, ())
