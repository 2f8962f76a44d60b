"""A header that counts in milliseconds where AMQP counts in seconds ends no connection."""

from __future__ import annotations

from datetime import datetime
from struct import pack
from typing import Any

import pytest
from amqp import serialization

from fw_worker.odd_timestamps import tolerate_odd_timestamps


@pytest.fixture(autouse=True)
def read_item(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = getattr(serialization._read_item, "fw_exact", serialization._read_item)
    monkeypatch.setattr(serialization, "_read_item", exact)
    tolerate_odd_timestamps()
    tolerate_odd_timestamps()


def headers(value: bytes) -> Any:
    """A table with one header, as py-amqp reads it."""
    table = b"\x02at" + value
    [read], end = serialization.loads("F", pack(">I", len(table)) + table, 0)
    assert end == 4 + len(table)
    return read["at"]


def timestamp(value: int) -> bytes:
    return b"T" + pack(">Q", value % 2**64)


def test_a_timestamp_in_seconds_is_a_moment() -> None:
    assert headers(timestamp(1_700_000_000)) == datetime(2023, 11, 14, 22, 13, 20)


@pytest.mark.parametrize("value", [1_700_000_000_000, 1_700_000_000_000_000_000, -1, -(2**63)])
def test_one_that_no_calendar_knows_is_its_number(value: int) -> None:
    """Signed, so that it can be written again: AMQP has no unsigned number of this size."""
    assert headers(timestamp(value)) == value


def test_it_is_found_inside_of_lists_and_tables_too() -> None:
    item = timestamp(1_700_000_000_000)
    table = b"\x02at" + item
    inner = b"F" + pack(">I", len(table)) + table
    assert headers(b"A" + pack(">I", len(inner)) + inner) == [{"at": 1_700_000_000_000}]


def test_what_is_no_value_at_all_is_refused_as_before() -> None:
    with pytest.raises(Exception, match="Unknown value in table"):
        headers(b"?")
