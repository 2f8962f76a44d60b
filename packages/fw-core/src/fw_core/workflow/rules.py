"""Rules: which plan a message starts that names none, by its fields.

::

    [{"if": {"field": "kind", "equals": "order"}, "workflow": ["check", "pack"]},
     {"workflow": "sort_out"}]

The first rule whose condition holds is taken; one without ``if`` takes every message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from fw_core import strict_json
from fw_core.call.plain import show
from fw_core.errors import ConditionError, PlanError, Problem, RulesError
from fw_core.errors.near_names import did_you_mean, nearest
from fw_core.workflow.condition import MISSING, Condition
from fw_core.workflow.plan import Plan, join_path
from fw_core.workflow.reading import read_condition, read_plan

KEYS = ("if", "workflow")
EXAMPLE = '{"if": {"field": "kind", "equals": "order"}, "workflow": ["check", "pack"]}'


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table.

    Attributes:
        plan: What a message starts that it takes.
        condition: What is asked of the message; None: it takes every one.
    """

    plan: Plan
    condition: Condition | None = None

    def takes(self, message: Mapping[str, Any]) -> bool:
        """Whether a message is one of this rule's.

        Raises:
            ConditionError: the two cannot be compared. A field that is not there is no such case:
                messages differ, and this one is for another rule.
        """
        if self.condition is None:
            return True
        try:
            return self.condition.holds(message)
        except ConditionError:
            if self.condition.find(message) is MISSING:
                return False
            raise


def choose(rules: Iterable[Rule], message: Mapping[str, Any]) -> Plan | None:
    """The plan of the first rule that takes a message; None: there is none.

    Raises:
        PlanError: a rule before that cannot be asked, so which one is meant would be a guess.

    >>> rules = rules_from_json('[{"if": {"field": "n", "at_least": 3}, "workflow": "count"}]')
    >>> choose(rules, {"n": 4}), choose(rules, {"m": 4})
    (Step('count'), None)
    """
    for number, rule in enumerate(rules):
        try:
            if rule.takes(message):
                return rule.plan
        except ConditionError as error:
            place = join_path(place_of(number), "if")
            raise PlanError([Problem(place, error.what.rstrip("."), error.fix, error)]) from None
    return None


def place_of(number: int) -> str:
    """What mistakes call the rule that stands at ``number``, counted from 0."""
    return f"rules[{number}]"


@cache
def rules_from_json(text: str) -> tuple[Rule, ...]:
    """The rules that a JSON text says; no text: none.

    Raises:
        RulesError: it says none; each mistake is named with its place.
    """
    if not text:
        return ()
    try:
        data = strict_json.loads(text)
    except ValueError as error:
        raise RulesError([Problem("rules", f"it is no JSON: {error}", f"[{EXAMPLE}]")]) from None
    if not isinstance(data, list):
        what = f"{show(data)} is no list of rules"
        raise RulesError([Problem("rules", what, f"[{EXAMPLE}]")])
    problems: list[Problem] = []
    found = [_read(each, place_of(number), problems) for number, each in enumerate(data)]
    problems += _never_asked(data)
    if problems:
        raise RulesError(problems)
    return tuple(rule for rule in found if rule is not None)


def _read(data: Any, place: str, problems: list[Problem]) -> Rule | None:
    """One rule; None after a mistake, which is noted."""
    if not isinstance(data, dict):
        problems.append(Problem(place, f"{show(data)} is no rule", EXAMPLE))
        return None
    before = len(problems)
    for key in data:
        if key not in KEYS:
            matches = nearest(key, KEYS)
            what = (
                f"{show(key)} is no key of a rule; there are if, workflow.{did_you_mean(matches)}"
            )
            fix = f"use {matches[0]!r}." if matches else f"leave {show(key)} out."
            problems.append(Problem(place, what.rstrip("."), fix))
    condition = plan = None
    try:
        if "if" in data:
            condition = read_condition(data["if"])
    except PlanError as error:
        problems += under(place, error.problems)
    try:
        if "workflow" in data:
            plan = read_plan(data["workflow"])
        else:
            problems.append(Problem(place, "it does not say which workflow", EXAMPLE))
    except PlanError as error:
        problems += under(join_path(place, "workflow"), error.problems)
    return Rule(plan, condition) if plan is not None and len(problems) == before else None


def _never_asked(data: list[Any]) -> Iterable[Problem]:
    for number, each in enumerate(data[:-1]):
        if isinstance(each, dict) and "workflow" in each and "if" not in each:
            what = "it takes every message, so the rules after it are never asked"
            yield Problem(place_of(number), what, 'put it last, or give it an "if".')
            return


def under(place: str, problems: Iterable[Problem]) -> list[Problem]:
    """The same mistakes, of something that stands at ``place`` in a larger whole."""
    return [replace(each, path=join_path(place, each.path)) for each in problems]
