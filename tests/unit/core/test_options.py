"""Options of one call: a bad one is named where it was written, and nothing is sent."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from fw_core import OptionError, task_framework
from fw_core.call.options import CallOptions


@pytest.fixture
def work(declaring):
    @task_framework(name="t")
    def work() -> None: ...

    return work


def kept(task, **options) -> CallOptions:
    return task.options(**options)._options


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("delay", 0),
        ("delay", 0.05),
        ("delay", -1),
        ("delay", math.nan),
        ("delay", math.inf),
        ("delay", "5m"),
        ("delay", True),
        ("delay", timedelta(milliseconds=99)),
        ("delay", timedelta(days=365, seconds=1)),
        ("delay", datetime(2026, 1, 1, tzinfo=UTC)),
        ("priority", -1),
        ("priority", 10),
        ("priority", 5.0),
        ("priority", "7"),
        ("priority", False),
        ("expires", 0),
        ("expires", -1),
        ("expires", "1h"),
        ("expires", math.nan),
        ("expires", timedelta(0)),
        ("expires", datetime(2026, 1, 1)),
        ("expires", date(2026, 1, 1)),
        ("queue", ""),
        ("queue", 3),
        ("queue", ["bulk"]),
        ("id", ""),
        ("id", 3),
        ("id", "two\nlines"),
        ("id", "x" * 256),
        ("id", "𝄞" * 64),
        ("id", "\ud800"),
    ],
)
def test_a_bad_option_is_refused(work, option, value):
    with pytest.raises(OptionError) as caught:
        work.options(**{option: value})

    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{option} must ")
    assert lines[-1].startswith("Fix: ")


def test_a_bad_option_is_a_value_error_too(work):
    with pytest.raises(ValueError, match="delay"):
        work.options(delay=-1)


def test_an_unknown_option_is_a_type_error(work):
    with pytest.raises(TypeError, match="countdown"):
        work.options(countdown=3)


@pytest.mark.parametrize("delay", [0.1, 1, 0.25, 365 * 24 * 3600, timedelta(minutes=5)])
def test_a_delay_is_from_a_tenth_of_a_second_to_a_year(work, delay):
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay

    assert kept(work, delay=delay).delay == seconds


@pytest.mark.parametrize("priority", [0, 4, 5, 9])
def test_a_priority_is_from_0_to_9(work, priority):
    assert kept(work, priority=priority).priority == priority


def test_expires_may_be_seconds_or_a_timedelta(work):
    assert kept(work, expires=90).expires == 90.0
    assert kept(work, expires=timedelta(minutes=1)).expires == 60.0


def test_expires_may_be_a_moment_in_any_time_zone(work):
    moment = datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=1)))

    assert kept(work, expires=moment).expires == datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_an_id_may_be_a_uuid_or_a_text_of_the_teams_own(work):
    assert kept(work, id=uuid.UUID(int=7)).id == str(uuid.UUID(int=7))
    assert kept(work, id="order-7").id == "order-7"


def test_an_id_is_measured_in_bytes_since_amqp_does(work):
    assert kept(work, id="é" * 127).id == "é" * 127


def test_what_is_not_given_is_left_to_the_declaration(work):
    assert kept(work) == CallOptions()


def test_options_are_kept_off_the_tasks_own_arguments(declaring):
    """A task may have parameters called queue, delay or priority."""

    @task_framework(name="t2")
    def move(queue: str, delay: int) -> tuple[str, int]:
        return queue, delay

    assert move("a", 3) == ("a", 3)
    assert move.arguments.encode((), {"queue": "a", "delay": 3}).kwargs in (
        {},
        {"queue": "a", "delay": 3},
    )


def test_options_do_not_change_the_task(work):
    work.options(delay=5, queue="bulk")

    assert kept(work) == CallOptions()
    assert work.spec.queue == "default"
