"""Any message is read, or refused with a reason: nothing that a stranger writes ends a worker."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fw_core.errors import StartError
from fw_core.workflow.message import KEYS, Start, read_start
from fw_core.workflow.plan import Plan, Sequence, Step
from fw_core.workflow.reading import plan_to_data
from fw_core.workflow.rules import choose, rules_from_json

texts = st.text(st.characters(exclude_categories=["Cs"]))
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | st.floats(allow_nan=False, width=16),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
finite = values.filter(lambda value: "Infinity" not in json.dumps(value))
ids = st.text(st.sampled_from("abc-0123456789 é"), min_size=1, max_size=200)
plans = st.lists(st.sampled_from(["clean", "count"]), min_size=1, max_size=4).map(
    lambda names: Sequence(*map(Step, names))
)


@given(plans, finite, ids)
def test_what_is_written_is_what_is_read(plan: Plan, data: Any, workflow_id: str) -> None:
    body = {"workflow": plan_to_data(plan), "data": data, "id": workflow_id}
    assert read_start(json.dumps(body).encode()) == Start(plan=plan, data=data, id=workflow_id)


@given(st.binary(max_size=40) | finite.map(lambda value: json.dumps(value).encode()), texts)
def test_whatever_comes_is_read_or_refused(body: bytes, message_id: str) -> None:
    try:
        start = read_start(body, message_id=message_id)
    except StartError as error:
        assert error.problems
        assert all(each.what and each.fix and each.path for each in error.problems)
    else:
        assert start.id


mappings = st.dictionaries(st.sampled_from([*KEYS, "workflw", "if", "x"]), finite, max_size=4)


@given(mappings)
def test_a_mapping_is_read_or_refused(told: dict[str, Any]) -> None:
    try:
        read_start(json.dumps(told))
    except StartError as error:
        assert str(error).startswith("The message has ")


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=5), st.dictionaries(ids, finite, max_size=3)
)
def test_the_first_rule_wins(kinds: list[str], more: dict[str, Any]) -> None:
    table = [
        {"if": {"field": "kind", "equals": kind}, "workflow": f"task-{number}"}
        for number, kind in enumerate(kinds)
    ]
    rules = rules_from_json(json.dumps(table))
    for kind in ("a", "b", "c"):
        plan = choose(rules, {**more, "kind": kind})
        assert plan == (Step(f"task-{kinds.index(kind)}") if kind in kinds else None)
