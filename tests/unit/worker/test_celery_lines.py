"""What Celery logs, in fw's words."""

from __future__ import annotations

import ast
import logging
from pathlib import Path

import pytest

from fw_worker.celery_lines import _LINES, InPlainWords


def said(name, text, *args, level=logging.INFO):
    """The line as it is written, or None where it is dropped."""
    record = logging.LogRecord(name, level, __file__, 1, text, args, None)
    return record.getMessage() if InPlainWords().filter(record) else None


@pytest.mark.parametrize(
    "name,text,args,expected",
    [
        (
            "celery.worker.consumer.connection",
            "Connected to %s",
            ("amqp://guest:**@host:5672//",),
            "Connected to the broker amqp://guest:***@host:5672//",
        ),
        ("celery.apps.worker", "%s ready.", ("celery@host",), "Ready: waiting for messages"),
        (
            "celery.worker.consumer.consumer",
            "%s (%r)",
            ("consumer: Connection to broker lost. Trying …", OSError("Server closed it")),
            "The connection to the broker was lost (Server closed it); connecting again",
        ),
        (
            "multiprocessing",
            "Process %r pid:%r exited with %r",
            ("ForkPoolWorker-1", 71, "signal 9 (SIGKILL)"),
            "The process 71, which runs tasks, was killed by SIGKILL; another one takes its place",
        ),
        (
            "multiprocessing",
            "Process %r pid:%r exited with %r",
            ("ForkPoolWorker-1", 71, "exitcode 3"),
            "The process 71, which runs tasks, ended with exitcode 3; another one takes its place",
        ),
    ],
)
def test_known_lines_are_said_in_plain_words(name, text, args, expected):
    assert said(name, text, *args) == expected


def test_a_line_that_says_nothing_to_an_operator_is_dropped():
    text = "Global QoS is disabled. Prefetch count is now static."
    assert said("celery.worker.consumer.tasks", text) is None


def test_advice_for_whoever_sets_up_celery_is_dropped_and_other_warnings_are_not():
    advice = "consumer.py:427: CPendingDeprecationWarning: In Celery 5.1 we introduced ..."
    assert said("py.warnings", "%s", advice) is None
    assert said("py.warnings", "%s", "team.py:1: UserWarning: look") is not None


def test_a_line_that_is_not_known_goes_through_as_it_is():
    assert said("celery.worker", "something new: %s", 7) == "something new: 7"


def test_a_known_line_with_other_arguments_goes_through_as_it_is():
    """A later Celery may change them; a line must never be lost for that."""
    assert said("multiprocessing", "Process %r pid:%r exited with %r") is not None


def test_celery_still_has_every_line_that_is_translated():
    """Otherwise its next version brings its own words back unseen."""
    import billiard.pool
    import celery.apps.worker
    import celery.worker.consumer.connection
    import celery.worker.consumer.consumer
    import celery.worker.consumer.tasks
    import celery.worker.worker

    modules = (
        billiard.pool,
        celery.apps.worker,
        celery.worker.consumer.connection,
        celery.worker.consumer.consumer,
        celery.worker.consumer.tasks,
        celery.worker.worker,
    )
    texts = {
        node.value
        for module in modules
        for node in ast.walk(ast.parse(Path(module.__file__).read_text()))
        if isinstance(node, ast.Constant)
    }
    for _, text in _LINES:
        assert text in texts
