"""A plain message that starts a workflow: what it says, as a value.

::

    {"workflow": ["download", "resize"], "data": "cat.png", "id": "order-17"}
    {"kind": "order", "number": 17}          without "workflow": a rule chooses, and it is the data
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fw_core import strict_json
from fw_core.call.plain import show
from fw_core.errors import PlanError, Problem, StartError
from fw_core.errors.near_names import did_you_mean, nearest
from fw_core.workflow.own_id import WHAT_IT_IS, is_own_id
from fw_core.workflow.plan import Plan
from fw_core.workflow.reading import read_plan
from fw_core.workflow.rules import Rule, choose, under

KEYS = ("workflow", "data", "id")
EXAMPLE = '{"workflow": ["download", "resize"], "data": "cat.png", "id": "order-17"}'


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """A workflow that is to be started.

    Attributes:
        plan: Its plan, not checked yet.
        data: What its first step gets.
        id: Its id; None: nobody gave it one.
    """

    plan: Plan
    data: Any
    id: str | None


def read_start(
    body: str | bytes, *, rules: Sequence[Rule] = (), message_id: str | None = None
) -> Start:
    """The workflow that a message starts.

    Args:
        body: The message.
        rules: They choose a plan for a message that names none.
        message_id: The id of one that has none: its own, as AMQP carries it.

    Raises:
        StartError: it starts none; all mistakes are named.

    >>> read_start('{"workflow": ["download", "resize"], "data": "cat.png"}', message_id="m-1")
    Start(plan=Sequence(Step('download'), Step('resize')), data='cat.png', id='m-1')
    """
    problems = [] if message_id is None else _of_id("message_id", message_id)
    known = None if problems else message_id
    try:
        told = strict_json.loads(body)
    except ValueError as error:
        problem = Problem("", f"it is no JSON: {error}", EXAMPLE)
        raise StartError([problem, *problems], workflow_id=known) from None
    if not isinstance(told, dict):
        problem = Problem("", f"{show(told)} is no JSON object", EXAMPLE)
        raise StartError([problem, *problems], workflow_id=known)
    if "workflow" not in told:
        return _by_rule(told, rules, known, problems)
    if told.get("id") is not None:
        problems = _of_id("id", told["id"])
        known = None if problems else told["id"]
    plan = None
    try:
        plan = read_plan(told["workflow"])
    except PlanError as error:
        problems = [*under("workflow", error.problems), *problems]
    problems += [_unknown(key) for key in told if key not in KEYS]
    if plan is None or problems:
        raise StartError(problems, workflow_id=known)
    return Start(plan=plan, data=told.get("data"), id=known)


def _by_rule(
    told: dict[str, Any], rules: Sequence[Rule], known: str | None, problems: list[Problem]
) -> Start:
    """What a message starts that names no workflow: all of it is the data, an ``id`` too."""
    plan = None
    try:
        plan = choose(rules, told)
        if plan is None:
            problems = [_not_chosen(told, rules), *problems]
    except PlanError as error:
        problems = [*error.problems, *problems]
    if plan is None or problems:
        raise StartError(problems, workflow_id=known)
    return Start(plan=plan, data=told, id=known)


def _not_chosen(told: dict[str, Any], rules: Sequence[Rule]) -> Problem:
    meant = next((key for key in told if "workflow" in nearest(key, KEYS)), None)
    asked = f"none of the {len(rules)} rules takes it" if len(rules) > 1 else "no rule takes it"
    what = f"it does not say which workflow, and {asked}" if rules else "it names no workflow"
    return Problem(
        "",
        f"{what}.{did_you_mean(['workflow'])[:-1]} instead of {show(meant)}?" if meant else what,
        EXAMPLE,
    )


def _unknown(key: str) -> Problem:
    matches = nearest(key, KEYS)
    what = f"{show(key)} is no key of it; there are {', '.join(KEYS)}.{did_you_mean(matches)}"
    fix = f"use {matches[0]!r}." if matches else f"put {show(key)} into 'data'."
    return Problem("", what.rstrip("."), fix)


def _of_id(path: str, given: Any) -> list[Problem]:
    if is_own_id(given):
        return []
    what = f"an id is {WHAT_IT_IS}, got {show(given)}"
    return [Problem(path, what, '"id": "order-17"')]
