"""The forms of a log line: stable, one an attempt, with the task's id."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from fw_core.attempt.current import Attempt, running
from fw_core.attempt.decide import Tries
from fw_core.attempt.outcome import Cause, GaveUp, RetryIn, Succeeded
from fw_core.attempt.policy import RetryPolicy
from fw_worker.ended import Ended, tell
from fw_worker.logs import HumanFormatter, JsonFormatter

ATTEMPT = Attempt(
    task="shop.process_order",
    task_id="id-7",
    message_id="m",
    number=2,
    of=6,
    deadline=datetime.now(UTC) + timedelta(minutes=1),
    redelivered=False,
    queue="default",
)


class Lines(logging.Handler):
    """Collects lines in both forms."""

    def __init__(self) -> None:
        super().__init__()
        self.human: list[str] = []
        self.json: list[dict] = []

    def emit(self, record):
        self.human.append(HumanFormatter().format(record))
        self.json.append(json.loads(JsonFormatter().format(record)))


@pytest.fixture
def lines():
    handler = Lines()
    logger = logging.getLogger()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def end(outcome):
    """Tell of an attempt, the second of six."""
    spec = SimpleNamespace(name="shop.process_order", policy=RetryPolicy(retries=5))
    tell(Ended(spec, "id-7", Tries(retries=1, laters=0), outcome, 0.25))


def test_a_line_of_a_task_s_own_code_has_the_task_s_id(lines):
    with running(ATTEMPT):
        logging.getLogger("shop").info("asking the bank")
    assert lines.human[0].endswith("INFO    asking the bank [id-7]")
    assert {k: lines.json[0][k] for k in ("task", "task_id", "attempt")} == {
        "task": "shop.process_order",
        "task_id": "id-7",
        "attempt": 2,
    }


def test_a_line_outside_of_a_task_has_none(lines):
    logging.getLogger("shop").warning("starting")
    assert lines.human[0].endswith("WARNING starting")
    assert set(lines.json[0]) == {"time", "level", "logger", "message"}


@pytest.mark.parametrize(
    "outcome,keys",
    [
        (Succeeded("a result that is nobody's business"), set()),
        (RetryIn(9.1, 9.0, ValueError("no")), {"next_wait", "error"}),
        (RetryIn(5.0, 5.0, ValueError("later"), counts=False), {"next_wait"}),
        (
            GaveUp(ValueError("no"), "the last of 6 attempts failed", Cause.RETRIES_SPENT),
            {"error", "reason"},
        ),
    ],
    ids=["succeeded", "retry", "later", "failed"],
)
def test_an_attempt_is_one_line_with_stable_keys(lines, outcome, keys, request):
    end(outcome)
    [line] = lines.json
    always = {"time", "level", "logger", "message", "task", "task_id", "attempt", "attempts",
              "seconds", "outcome"}  # fmt: skip
    assert set(line) == always | keys
    assert line["outcome"] == request.node.callspec.id
    assert (line["attempt"], line["attempts"], line["seconds"]) == (2, 6, 0.25)
    [human] = lines.human
    assert "shop.process_order attempt 2 of 6" in human
    assert human.endswith("[id-7]")


def test_no_result_is_in_a_line(lines):
    end(Succeeded("geheim"))
    assert "geheim" not in str(lines.human) + str(lines.json)


def test_an_error_of_several_lines_is_one_line_of_an_attempt(lines):
    end(RetryIn(1.0, 1.0, ValueError("no\nsuch\norder")))
    assert len(lines.human[0].splitlines()) == 1
    assert "no such order" in lines.human[0]


def test_a_traceback_begins_with_the_task_s_own_code(lines):
    """The frames through which fw called it help nobody."""
    from fw_core.attempt.pipeline import with_context

    def body(run):
        raise ValueError("no such order")

    try:
        with_context(body)(SimpleNamespace(attempt=ATTEMPT))
    except ValueError as error:
        error.__traceback__ = error.__traceback__.tb_next  # as the pipeline catches it
        end(GaveUp(error, "the last of 6 attempts failed", Cause.RETRIES_SPENT))
    assert "pipeline.py" not in lines.human[0]
    assert "in body" in lines.human[0]
    assert lines.json[0]["traceback"].endswith("ValueError: no such order")


def test_a_traceback_that_is_all_fw_is_kept(lines):
    from fw_core.attempt.backoff import exponential

    try:
        exponential(0)
    except ValueError:
        kind, error, trace = sys.exc_info()
        error.__traceback__ = trace.tb_next
        logging.getLogger("fw").error("failed", exc_info=(kind, error, trace.tb_next))
    assert "backoff.py" in lines.human[0]
