"""What a worker cannot run is kept, and the worker lives on."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from amqp import serialization
from collected import letters, wait_for_letters
from live_tasks import dies, doubles, fails, hangs, raises_unpicklable, returns_object, stubborn

from fw_core import TaskFailed
from fw_testing.services import Services, StartWorker


def test_what_is_no_call_is_kept_and_the_next_call_runs(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """Bytes that are no JSON, JSON that is no call, a call without arguments."""
    fw_live_worker("live_tasks")
    known = {"task": "live_tasks.fails", "id": "x"}
    _send(fw_services, b"\xff\xfe", headers={})
    _send(fw_services, b"\xff\xfe", headers=known)
    _send(fw_services, b"no json", headers=known)
    _send(fw_services, b"{}", headers=known)
    _send(fw_services, b"[1, 2, 3]", headers=known)
    _send(fw_services, b'"text"', headers={})
    _send(fw_services, b"[[0], {}, {}]", headers=known, content_type="application/x-pickle")
    _send(fw_services, b"[[0], {}, {}]", headers={**known, "eta": "tomorrow"})
    assert fails.delay(0).get(timeout=30) == 1
    assert _causes_of_death(fw_services, 8) == ["unreadable"] * 8


def test_a_header_with_a_timestamp_in_milliseconds_stops_nobody(
    fw_services: Services, fw_live_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker reads it, and so does whoever collects what became a dead letter."""
    write = serialization._write_item

    def write_item(value: Any, out: Any, bits: Any) -> None:
        if isinstance(value, _Milliseconds):
            out(b"T" + pack(">Q", value))
        else:
            write(value, out, bits)

    monkeypatch.setattr(serialization, "_write_item", write_item)
    sent_at = {"sent-at": _Milliseconds(1_700_000_000_000)}
    known = {"task": "live_tasks.fails", "id": "odd", **sent_at}
    _send(fw_services, _call(0), headers=known)
    _send(fw_services, b"no json", headers={"task": "live_tasks.fails", **sent_at})
    with fw_services.app.connection_for_write() as connection:
        connection.default_channel.basic_publish(
            connection.default_channel.prepare_message(b"no json", headers=known),
            exchange="fw.dead",
        )
    fw_live_worker("live_tasks")
    assert fails.result("odd").get(timeout=30) == 1
    assert fails.delay(0).get(timeout=30) == 1
    wait_for_letters(fw_services.app, 2)


class _Milliseconds(int):
    """Written as a timestamp, which counts in seconds."""


def test_a_message_for_an_unknown_task_is_kept_and_says_why(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """A result that names the nearest task, and a dead letter to be replayed."""
    fw_live_worker("live_tasks")
    _send(fw_services, _call(0), headers={"task": "live_tasks.fail", "id": "lost"})
    with pytest.raises(TaskFailed, match="Did you mean 'live_tasks.fails'"):
        fails.result("lost").get(timeout=20)
    assert _causes_of_death(fw_services, 1) == ["unknown-task"]


def test_a_wrong_argument_from_elsewhere_is_not_retried_and_named(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """Another attempt would get the same argument."""
    fw_live_worker("live_tasks")
    _send(fw_services, _call("three"), headers={"task": "live_tasks.fails", "id": "wrong"})
    with pytest.raises(TaskFailed, match="argument 'times' must be int, got 'three'") as raised:
        fails.result("wrong").get(timeout=20)
    assert raised.value.attempts == 1
    assert _causes_of_death(fw_services, 1) == ["wrong-arguments"]


def test_a_result_that_json_cannot_carry_is_a_failure_and_no_retry(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """The body has run: to run it again would do its work twice."""
    fw_live_worker("live_tasks")
    with pytest.raises(TaskFailed, match="returned <object object") as raised:
        returns_object.delay().get(timeout=20)
    assert raised.value.attempts == 1
    assert raised.value.error_type.endswith("ReturnError")


def test_an_exception_that_cannot_be_pickled_is_kept_by_name_and_message(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """Its class is never asked to make it again."""
    fw_live_worker("live_tasks")
    with pytest.raises(TaskFailed) as raised:
        raises_unpicklable.delay().get(timeout=20)
    assert raised.value.error_type == "live_tasks.TwoArguments"
    assert raised.value.error_message == "order 7: no stock"
    assert "raise TwoArguments" in raised.value.traceback


def test_a_task_that_kills_its_process_runs_retries_plus_one_times(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """It ends as a failure with a result, not as PENDING for ever."""
    worker = fw_live_worker("live_tasks", concurrency=2)
    with pytest.raises(TaskFailed, match="ended before the task did") as raised:
        dies.delay().get(timeout=100)
    assert raised.value.attempts == 2
    assert worker.log.count("live_tasks.dies attempt") == 2
    assert _causes_of_death(fw_services, 1) == ["died"]
    assert doubles.delay(4).get(timeout=20) == 8


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_an_async_task_runs_on_every_pool(
    fw_services: Services, fw_live_worker: StartWorker, pool: str
) -> None:
    """Plain Celery reports success without running it."""
    fw_live_worker("live_tasks", pool=pool)
    assert doubles.delay(21).get(timeout=20) == 42


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_a_task_that_hangs_is_stopped_at_its_timeout(
    fw_services: Services, fw_live_worker: StartWorker, pool: str
) -> None:
    """It sleeps in C code; the alarm interrupts it."""
    fw_live_worker("live_tasks", pool=pool)
    with pytest.raises(TaskFailed, match=r"ran longer than its timeout of 0\.5 s"):
        hangs.delay().get(timeout=20)


def _call(*args: Any) -> bytes:
    return json.dumps([args, {}, {}]).encode()


def _send(
    services: Services,
    body: bytes,
    *,
    headers: dict[str, Any],
    content_type: str = "application/json",
) -> None:
    """Publish raw bytes, as a client of another kind could."""
    app = services.app
    with app.producer_or_acquire() as producer:
        letter = app.amqp.letter(
            queue=app.topology.queue_name("default"),
            due=None,
            body=body,
            content_type=content_type,
            content_encoding="utf-8",
            headers=headers,
            properties={"message_id": str(uuid.uuid4())},
        )
        app.amqp.post(producer, letter)


def _causes_of_death(services: Services, count: int) -> list[str]:
    """What the kept dead letters died of, once there are ``count``."""
    wait_for_letters(services.app, count)
    return sorted(letter.cause for letter in letters(services.app))


def test_a_task_that_cannot_be_stopped_is_killed_and_retried(
    fw_services: Services, fw_live_worker: StartWorker, tmp_path: Path
) -> None:
    """It swallows its timeout; the process is killed, and the policy obeyed all the same."""
    runs = tmp_path / "runs"
    fw_live_worker("live_tasks")
    with pytest.raises(TaskFailed, match=r"ran longer than its timeout of 0\.5 s") as raised:
        stubborn.delay(str(runs)).get(timeout=80)
    assert raised.value.attempts == 2
    assert raised.value.error_type == "fw_core.TimedOut"
    assert runs.read_text() == "run\n" * 2
    assert _causes_of_death(fw_services, 1) == ["timed-out"]


def test_a_message_that_was_fetched_20_times_and_never_started_is_run(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """Closing connections never use up an attempt; the broker's own limit is next."""
    result = fails.delay(0)
    with fw_services.app.connection_for_write() as connection:
        channel = connection.default_channel
        for _ in range(20):
            channel.basic_reject(_delivered(channel), requeue=True)
    fw_live_worker("live_tasks")
    assert result.get(timeout=20) == 1
    assert _causes_of_death(fw_services, 0) == []


def _delivered(channel: Any) -> Any:
    deadline = time.monotonic() + 10
    while (message := channel.basic_get("default")) is None:
        assert time.monotonic() < deadline
    return message.delivery_info["delivery_tag"]
