"""What tests share because it is slow to make must not be seen by the next test."""

from __future__ import annotations

import gc
import logging
from types import TracebackType

import pytest

import fw_testing
from fw_core import GiveUp, TaskFailed, task_framework
from fw_core.client import current_app
from fw_testing.in_memory import settings_in_memory


def test_settings_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading them takes as long as a small test."""
    assert settings_in_memory() is settings_in_memory()


def test_another_environment_has_other_settings(
    alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test may set what a deployment would set."""
    before = settings_in_memory()
    monkeypatch.setenv("FW_QUEUES", "default,mail")
    with fw_testing.fake_broker():
        assert current_app().queues == ("default", "mail")
    monkeypatch.delenv("FW_QUEUES")
    assert settings_in_memory() == before


def test_another_pyproject_has_other_settings(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this directory or above, also when it changes."""
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    assert settings_in_memory().queues == ()
    (tmp_path / "pyproject.toml").write_text('[tool.fw]\nqueues = ["mail"]')
    assert settings_in_memory().queues == ("mail",)


def test_each_test_has_its_own_queues_and_messages() -> None:
    """Declared once means: once in each test's own broker."""
    for _ in range(2):
        with fw_testing.fake_broker() as broker:

            @task_framework(queue="mail")
            def send() -> int:
                return 1

            send.delay()
            assert len(broker.waiting) == 1
            assert [ran.result for ran in broker.drain()] == [1]


def test_a_queue_that_was_deleted_is_declared_again() -> None:
    """As on RabbitMQ: the next message finds out."""
    with fw_testing.fake_broker() as broker:

        @task_framework
        def send() -> int:
            return 1

        send.delay()
        with current_app().connection_for_write() as connection:
            connection.default_channel.queue_delete("default")
        send.delay()
        assert [ran.result for ran in broker.drain()] == [1]


def test_a_failed_attempt_leaves_little_garbage(nested, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery's copy of a traceback is thousands of objects, and they were in a cycle."""
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)  # records keep it alive

    @task_framework(retries=5, backoff=[1])
    def fails() -> None:
        raise ConnectionError

    def run() -> None:
        with fw_testing.eager(), pytest.raises(TaskFailed):
            fails.delay().get()

    run()
    gc.collect()
    gc.disable()
    try:
        run()
        assert gc.collect() < 6_000
    finally:
        gc.enable()


def test_an_error_of_a_task_has_its_traceback_all_the_same() -> None:
    """What the test sees of it is whole."""
    with fw_testing.eager() as mode:

        @task_framework
        def fails() -> None:
            raise GiveUp("no such order")

        result = fails.delay()
    [ran] = mode.ran
    assert isinstance(ran.error, BaseException)
    assert isinstance(ran.error.__traceback__, TracebackType)
    assert result.id == ran.id
