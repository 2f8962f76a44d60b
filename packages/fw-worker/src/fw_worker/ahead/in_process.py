"""Runs a group in a process of the pool, one attempt after the other."""

from __future__ import annotations

from billiard.common import terminate_handler_fired
from billiard.einfo import ExceptionInfo

from fw_worker.ahead.answers import Answer, Answers
from fw_worker.ahead.board import Place
from fw_worker.ahead.brief import Brief
from fw_worker.ahead.tracer import trace_call


def run_group(number: int, briefs: list[Brief], is_reported: bool) -> list[Answer]:
    """Make the attempts of a group, and of those that join it, as far as they are not taken back.

    Args:
        number: The group's place on the board.
        briefs: The messages.
        is_reported: Whether somebody follows task events.
    """
    place = Place(number)
    answers = Answers(place, is_reported=is_reported)
    first, count = 0, len(briefs)  # of those that are known here
    ask_at = count // 2
    index = 0
    while True:
        if index == count:
            if place.limit <= count:
                answers.settle()  # which takes a moment, in which some may join
            if place.limit <= count:
                break
            briefs = place.joined()
            first, count = count, count + len(briefs)
            ask_at = first + len(briefs) // 2
        if not place.begin(index):
            break
        answer = _run(briefs[index - first], is_reported)
        place.end(index)
        if not answers.add(answer):
            break
        index += 1
        if index == ask_at:
            place.ask()
    return answers.all()


def _run(brief: Brief, is_reported: bool) -> Answer:
    try:
        return True, trace_call(brief, is_reported=is_reported)
    except BaseException:
        if terminate_handler_fired():
            raise  # this process was told to end
        return False, ExceptionInfo()
