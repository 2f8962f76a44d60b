"""Runs a group in a process of the pool, one attempt after the other."""

from __future__ import annotations

from typing import Any

from billiard.common import terminate_handler_fired
from billiard.einfo import ExceptionInfo
from celery.app.trace import fast_trace_task

from fw_worker.ahead.board import Place

Answer = tuple[bool, Any]
"""Whether Celery's tracer came to its end, and what it returned or raised."""


def run_group(number: int, calls: list[tuple[Any, ...]]) -> list[Answer]:
    """Make the attempts of a group, as far as they are not taken back.

    Args:
        number: The group's place on the board.
        calls: What Celery's tracer takes, one for each attempt.
    """
    place = Place(number)
    answers: list[Answer] = []
    for index, call in enumerate(calls):
        if not place.begin(index):
            break
        answers.append(_run(call))
        place.end(index)
    return answers


def _run(call: tuple[Any, ...]) -> Answer:
    try:
        return True, fast_trace_task(*call)
    except BaseException:
        if terminate_handler_fired():
            raise  # this process was told to end
        return False, ExceptionInfo()
