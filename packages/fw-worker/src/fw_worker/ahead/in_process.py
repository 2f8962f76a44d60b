"""Runs a group in a process of the pool, one attempt after the other."""

from __future__ import annotations

from billiard.common import terminate_handler_fired
from billiard.einfo import ExceptionInfo

from fw_worker.ahead.answers import Answer, Answers
from fw_worker.ahead.board import Place
from fw_worker.ahead.tracer import Call, trace_call


def run_group(number: int, calls: list[Call], is_reported: bool) -> list[Answer]:
    """Make the attempts of a group, as far as they are not taken back.

    Args:
        number: The group's place on the board.
        calls: The messages.
        is_reported: Whether somebody follows task events.
    """
    place = Place(number)
    answers = Answers(place, is_reported=is_reported)
    for index, call in enumerate(calls):
        if not place.begin(index):
            break
        answer = _run(call, is_reported)
        place.end(index)
        if not answers.add(answer):
            break
    return answers.all()


def _run(call: Call, is_reported: bool) -> Answer:
    try:
        return True, trace_call(call, is_reported=is_reported)
    except BaseException:
        if terminate_handler_fired():
            raise  # this process was told to end
        return False, ExceptionInfo()
