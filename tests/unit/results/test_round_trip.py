"""What a task returned comes back exactly, and so does nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery import Celery
from hypothesis import given, settings
from hypothesis import strategies as st

from fw_core.attempt.failure import MESSAGE_BYTES, describe
from fw_core.database.engine import close_connections
from fw_core.results.backend import ResultBackend

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=50),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def kept() -> Iterator[ResultBackend]:
    yield ResultBackend(Celery("shop", set_as_current=False), "sqlite://")
    close_connections("sqlite://")


@settings(deadline=None)
@given(value=json_values)
def test_every_json_value_survives_exactly(kept: ResultBackend, value: Any) -> None:
    task_id = str(uuid4())

    kept.store_result(task_id, value, "SUCCESS")

    read = kept.get_task_meta(task_id, cache=False)["result"]
    assert json.dumps(read) == json.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        "\x00",
        "\ud800",
        -0.0,
        2**200,
        {"__type__": "invoice", "__value__": 1},
        {"__type__": "datetime", "__value__": "no date"},
        {"": {"b": 1, "a": 2}},
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        date(2026, 1, 2),
        Decimal("1.10"),
        UUID(int=7),
        b"\xff",
    ],
)
def test_values_that_are_easily_lost_survive(kept: ResultBackend, value: Any) -> None:
    kept.store_result("easily-lost", value, "SUCCESS")

    read = kept.get_task_meta("easily-lost", cache=False)["result"]
    assert repr(read) == repr(value)


@settings(deadline=None)
@given(message=st.text(st.characters()))
def test_every_message_of_an_error_can_be_stored(kept: ResultBackend, message: str) -> None:
    task_id = str(uuid4())

    kept.store_result(task_id, ValueError(message), "FAILURE")

    stored = kept.load([task_id])[task_id].error_message
    assert stored == describe(ValueError(message)).message
    assert stored is not None
    assert len(stored.encode()) < MESSAGE_BYTES + 100
