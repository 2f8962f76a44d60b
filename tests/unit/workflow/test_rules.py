"""Rules: which plan a message starts that names none."""

from __future__ import annotations

import json

import pytest

from fw_core.errors import PlanError, RulesError
from fw_core.workflow.plan import Sequence, Step
from fw_core.workflow.rules import choose, rules_from_json


def rules(*data):
    return rules_from_json(json.dumps(data))


ORDER = {"if": {"field": "kind", "equals": "order"}, "workflow": ["check", "pack"]}
LARGE = {"if": {"field": "order.total", "at_least": 100}, "workflow": "call"}
REST = {"workflow": "sort_out"}


def test_no_rules_take_nothing():
    assert rules_from_json("") == ()
    assert choose((), {"kind": "order"}) is None


@pytest.mark.parametrize(
    ("message", "plan"),
    [
        ({"kind": "order"}, Sequence("check", "pack")),
        ({"kind": "order", "order": {"total": 500}}, Sequence("check", "pack")),
        ({"order": {"total": 100}}, Step("call")),
        ({"order": {"total": 99}}, Step("sort_out")),
        ({}, Step("sort_out")),
    ],
)
def test_the_first_rule_that_holds_is_taken(message, plan):
    assert choose(rules(ORDER, LARGE, REST), message) == plan


def test_a_message_that_no_rule_takes_starts_nothing():
    """One without ``if`` would take every message."""
    assert choose(rules(ORDER), {"kind": "invoice"}) is None


def test_a_field_that_is_not_there_is_for_another_rule():
    """In a plan it is an error; messages of several kinds come through one queue."""
    assert choose(rules(LARGE, ORDER), {"kind": "order"}) == Sequence("check", "pack")


def test_what_cannot_be_compared_is_said_and_not_guessed():
    with pytest.raises(PlanError, match=r"rules\[0\]\.if: order.total is '500', which cannot be"):
        choose(rules(LARGE, REST), {"order": {"total": "500"}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "rules: it is no JSON"),
        ('{"workflow": "a"}', "rules: {'workflow': 'a'} is no list of rules"),
        ('["a"]', "rules[0]: 'a' is no rule"),
        ('[{"if": {"equals": 1}}]', "rules[0]: it does not say which workflow"),
        ('[{"workflow": "a", "if": null}]', "rules[0].if: None is no condition"),
        ('[{"if": {"equls": 1}, "workflow": "a"}]', "Did you mean 'equals'"),
        ('[{"workflow": "a"}, {"workflow": ["b", 3]}]', "rules[1].workflow.steps[1]: 3 is no step"),
        ('[{"workflow": "a", "iff": {"equals": 1}}]', "Did you mean 'if'?"),
        ('[{"workflow": "a", "workflow": "b"}]', "the key 'workflow' is there twice"),
    ],
)
def test_a_wrong_rule_is_named_with_its_place(text, said):
    with pytest.raises(RulesError) as caught:
        rules_from_json(text)
    assert said in caught.value.what
    assert caught.value.fix


def test_rules_behind_one_that_takes_everything_are_a_mistake():
    with pytest.raises(RulesError, match=r"rules\[0\]: it takes every message"):
        rules(REST, ORDER)


def test_all_mistakes_are_named_at_once():
    with pytest.raises(RulesError) as caught:
        rules({"if": {"a": 1}, "workflow": [1, 2]}, "x", ORDER)
    assert [each.path for each in caught.value.problems] == [
        "rules[0].if",
        "rules[0].workflow.steps[0]",
        "rules[0].workflow.steps[1]",
        "rules[1]",
    ]
