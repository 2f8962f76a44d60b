"""A message that starts a workflow: what it says, and all that is wrong with it."""

from __future__ import annotations

import json

import pytest

from fw_core.errors import StartError
from fw_core.workflow.message import Start, read_start
from fw_core.workflow.plan import Each, Sequence, Step
from fw_core.workflow.rules import rules_from_json

RULES = rules_from_json('[{"if": {"field": "kind", "equals": "order"}, "workflow": "pack"}]')


def refused(body, **options) -> StartError:
    with pytest.raises(StartError) as caught:
        read_start(body if isinstance(body, (str, bytes)) else json.dumps(body), **options)
    assert caught.value.fix
    return caught.value


def test_plan_data_and_id_are_read():
    body = b'{"workflow": ["a", {"each": "b"}], "data": {"n": [1, null]}, "id": "order-17"}'
    plan = Sequence(Step("a"), Each("b"))
    assert read_start(body) == Start(plan=plan, data={"n": [1, None]}, id="order-17")


def test_data_and_id_may_be_left_out():
    assert read_start('{"workflow": "nightly"}') == Start(plan=Step("nightly"), data=None, id=None)
    assert read_start('{"workflow": "a", "id": null}', message_id="m-1").id == "m-1"


def test_its_own_id_comes_before_that_of_the_message():
    """Also where that one could be none."""
    assert read_start('{"workflow": "a", "id": "x"}', message_id="m-1").id == "x"
    assert read_start('{"workflow": "a", "id": "x"}', message_id="m" * 500).id == "x"


def test_a_message_that_a_rule_takes_is_the_data_as_a_whole():
    """An ``id`` in it too: that of the order, of which there can be several messages."""
    start = read_start('{"kind": "order", "id": 17, "data": 3}', rules=RULES, message_id="m-1")
    assert start == Start(plan=Step("pack"), data={"kind": "order", "id": 17, "data": 3}, id="m-1")


def test_a_message_that_names_its_workflow_is_asked_by_no_rule():
    told = '{"workflow": "a", "data": {"kind": "order"}}'
    assert read_start(told, rules=RULES).plan == Step("a")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"\xff\xfe\xff", "it is no JSON: it is no text in UTF-8"),
        (b"", "it is no JSON"),
        ("[" * 100_000, "it is no JSON: it is nested too deep"),
        ('{"workflow": "a", "workflow": "b"}', "the key 'workflow' is there twice"),
        ('{"workflow": "a", "data": NaN}', "NaN is no number"),
        ('{"workflow": "a", "data": "\\ud800"}', "is half a character"),
        (["a", "b"], "['a', 'b'] is no JSON object"),
        ({}, "it names no workflow"),
        ({"workflw": ["a"], "data": 1}, "Did you mean 'workflow' instead of 'workflw'?"),
        ({"workflow": None}, "workflow: None is no step"),
        ({"workflow": []}, "workflow: steps must be a list with something in it"),
        ({"workflow": ["a", {"tsk": "b"}]}, "workflow.steps[1]: a mapping has one of"),
        ({"workflow": "a", "dta": 1}, "Did you mean 'data'?"),
        ({"workflow": "a", "priority": 1}, "'priority' is no key of it; there are workflow, data"),
        ({"workflow": "a", "id": 17}, "id: an id is a text of 1 to 200 characters, got 17"),
        ({"workflow": "a", "id": ""}, "id: an id is a text of 1 to 200 characters, got ''"),
        ({"workflow": "a", "id": "x" * 201}, "id: an id is a text of 1 to 200 characters"),
        ({"workflow": "a", "id": "a\0b"}, "id: an id is a text of 1 to 200 characters"),
    ],
)
def test_what_is_wrong_is_named(body, said):
    assert said in refused(body).what


def test_all_mistakes_are_named_at_once():
    error = refused({"workflow": ["a", 3], "dat": 1, "id": 5})
    assert [each.path for each in error.problems] == ["workflow.steps[1]", "id", "its body"]


def test_the_id_is_known_where_it_can_be_read():
    """Whoever waits for the reply finds the message by it."""
    assert refused({"workflow": 3, "id": "order-17"}, message_id="m").workflow_id == "order-17"
    assert refused({"workflow": 3, "id": 17}, message_id="m").workflow_id is None
    assert refused(b"{", message_id="m-1").workflow_id == "m-1"
    assert refused(b"{", message_id="m" * 500).workflow_id is None


def test_no_rule_takes_it_is_said():
    said = refused({"kind": "invoice"}, rules=RULES).what
    assert "it does not say which workflow, and no rule takes it" in said
