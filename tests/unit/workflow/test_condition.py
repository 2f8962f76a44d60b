"""What a plan may ask of a result, and what it is told."""

from __future__ import annotations

import pytest

from fw_core.errors import ConditionError
from fw_core.workflow.condition import MISSING, Condition

RESULT = {"status": "paid", "total": 7, "open": True, "none": None, "lines": [{"sku": "a"}, "b"]}


@pytest.mark.parametrize(
    ("comparison", "value", "field", "holds"),
    [
        ("equals", "paid", "status", True),
        ("equals", 7.0, "total", True),
        ("equals", 1, "open", False),
        ("equals", True, "open", True),
        ("equals", None, "none", True),
        ("equals", None, "nowhere", False),
        ("equals", [{"sku": "a"}, "b"], "lines", True),
        ("equals", {"sku": "a"}, "lines.0", True),
        ("equals", "a", "lines.0.sku", True),
        ("equals", "b", "lines.1", True),
        ("not_equals", "paid", "status", False),
        ("not_equals", "paid", "nowhere", True),
        ("greater_than", 6, "total", True),
        ("greater_than", 7, "total", False),
        ("at_least", 7, "total", True),
        ("less_than", 7.5, "total", True),
        ("at_most", 6, "total", False),
        ("less_than", "q", "status", True),
        ("in", ["paid", "sent"], "status", True),
        ("in", ["open"], "status", False),
        ("in", [1], "open", False),
        ("in", [None], "nowhere", False),
        ("contains", "b", "lines", True),
        ("contains", "ai", "status", True),
        ("contains", "status", "", True),
        ("contains", "x", "nowhere", False),
        ("exists", True, "status", True),
        ("exists", True, "none", True),
        ("exists", True, "lines.2", False),
        ("exists", False, "status.more", True),
        ("empty", True, "none", True),
        ("empty", True, "nowhere", True),
        ("empty", False, "lines", True),
        ("empty", True, "", False),
    ],
)
def test_an_answer_is_that_of_json(comparison, value, field, holds):
    assert Condition(comparison, value, field).holds(RESULT) is holds


@pytest.mark.parametrize(
    ("comparison", "value", "field"),
    [
        ("greater_than", 3, "status"),
        ("greater_than", "3", "total"),
        ("at_least", 0, "open"),
        ("at_most", True, "total"),
        ("less_than", 3, "nowhere"),
        ("less_than", None, "none"),
        ("contains", 3, "status"),
        ("contains", "7", "total"),
        ("empty", True, "total"),
    ],
)
def test_what_has_no_answer_is_an_error_that_names_both(comparison, value, field):
    with pytest.raises(ConditionError) as caught:
        Condition(comparison, value, field).holds(RESULT)
    assert field in str(caught.value)
    assert comparison in str(caught.value)


def test_a_field_of_what_has_none_is_missing():
    for result in (None, 3, "text", [], {}):
        assert Condition("exists", True, "a.b").find(result) is MISSING
    assert Condition("equals", 3).find(3) == 3
