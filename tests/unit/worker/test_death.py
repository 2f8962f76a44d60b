"""What a dead letter says of its end, in a header."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from fw_core.attempt.failure import TaskError
from fw_core.attempt.outcome import Cause
from fw_worker.dead_letters.death import Death, Try, tries_from_header, tries_to_header

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def death(**given: object) -> Death:
    facts = {
        "cause": Cause.RETRIES_SPENT,
        "reason": "the last of 2 attempts failed",
        "error": TaskError("ValueError", "no such order", "Traceback …"),
        "at": NOON,
        "attempts": 2,
        "queue": "mail",
        "worker": "fw-1@host",
        "tries": (Try(number=1, at=NOON, error="ValueError: no"),),
    }
    return Death(**{**facts, **given})  # type: ignore[arg-type]


def test_a_death_is_read_as_it_was_written():
    assert Death.from_header(death().to_header()) == death()


def test_a_death_fits_into_the_headers_of_a_message_whatever_its_error_said():
    """All headers share one frame of 128 KiB."""
    error = TaskError("ValueError", "é" * 100_000, "line\n" * 100_000)
    tries = tuple(Try(number=n, at=NOON, error="x" * 10_000) for n in range(1, 1000))
    assert len(death(error=error, tries=tries).to_header().encode()) < 64 * 1024


def test_the_newest_tries_are_kept():
    tries = tuple(Try(number=n, at=NOON, error="x") for n in range(1, 31))
    assert [each.number for each in tries_from_header(tries_to_header(tries))] == [*range(11, 31)]


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", 7, json.dumps({"cause": "odd"})])
def test_a_header_that_is_no_death_reads_as_none(text: object):
    assert Death.from_header(text) is None


@pytest.mark.parametrize("text", [None, "", "{", "{}", 7, "[1]", '[["x", "y", 1, 2]]'])
def test_a_header_that_holds_no_tries_reads_as_none(text: object):
    assert tries_from_header(text) == ()
