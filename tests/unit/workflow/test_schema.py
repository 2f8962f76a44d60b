"""The published schema says the same as the reader, as far as a schema can."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from plans_as_data import MISTAKES, PLANS, anything, plans

from fw_core.errors import PlanError
from fw_core.workflow.condition import COMPARISONS
from fw_core.workflow.reading import plan_to_data, read_plan
from fw_core.workflow.schema import plan_schema

VALIDATOR = jsonschema.Draft202012Validator(plan_schema())


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(plan_schema())


@pytest.mark.parametrize("text", PLANS)
def test_what_is_read_is_valid(text):
    VALIDATOR.validate(json.loads(text))


@given(plans)
def test_every_plan_is_valid(plan):
    VALIDATOR.validate(plan_to_data(plan))


@pytest.mark.parametrize("data", [data for data, *_ in MISTAKES], ids=range(len(MISTAKES)))
def test_a_mistake_of_form_is_invalid(data):
    if json.loads(json.dumps(data)) == data:  # else JSON does not say it either
        assert not VALIDATOR.is_valid(data)


@given(anything)
def test_what_is_valid_is_read_and_what_is_not_is_refused(data: Any):
    try:
        plain = json.loads(json.dumps(data))
    except TypeError:
        return
    if json.dumps(plain) != json.dumps(data):  # keys that are no text
        return
    try:
        read_plan(plain)
    except PlanError:
        assert not VALIDATOR.is_valid(plain)
    else:
        assert VALIDATOR.is_valid(plain)


def test_every_comparison_is_in_it():
    condition = plan_schema()["$defs"]["condition"]
    assert set(condition["properties"]) == {*COMPARISONS, "field"}
    assert [one["required"] for one in condition["oneOf"]] == [[name] for name in COMPARISONS]
    assert re.fullmatch(r"urn:fw:\w+", plan_schema()["$id"])
