"""From plain data to a plan and back; every mistake is named with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from plans_as_data import MISTAKES, PLANS, anything, plans

from fw_core.errors import PlanError
from fw_core.workflow.plan import (
    MOST_BRANCHES,
    MOST_DEPTH,
    MOST_STEPS,
    Parallel,
    Sequence,
    Step,
)
from fw_core.workflow.reading import plan_to_data, read_plan
from fw_core.workflow.texts import plan_from_json, plan_from_yaml


@pytest.mark.parametrize(("text", "plan"), PLANS.items())
def test_a_plan_reads_as_it_is_written(text, plan):
    assert plan_from_json(text) == plan
    assert plan_from_yaml(text) == plan
    assert read_plan(json.loads(text)) == plan
    assert read_plan(plan) is plan


@pytest.mark.parametrize(("data", "path", "said"), MISTAKES, ids=map(str, range(len(MISTAKES))))
def test_a_mistake_is_named_with_its_place_and_a_fix(data, path, said):
    with pytest.raises(PlanError) as caught:
        read_plan(data)
    [problem, *_] = caught.value.problems
    assert str(problem).startswith(f"{path}: ")
    assert said in problem.what
    assert problem.fix
    assert path in str(caught.value)
    assert str(caught.value).splitlines()[-1] == f"Fix: {problem.fix}"


def test_all_mistakes_of_a_plan_are_named_at_once():
    with pytest.raises(PlanError) as caught:
        read_plan(["a", 7, {"parallel": [8, "b", {"each": {"tsk": "c"}}]}])
    assert [problem.path for problem in caught.value.problems] == [
        "steps[1]",
        "steps[2].parallel[0]",
        "steps[2].parallel[2].each",
    ]
    assert "3 mistakes" in str(caught.value)


def test_a_plan_that_contains_itself_is_named():
    data: list[Any] = ["a"]
    data.append({"parallel": ["b", data]})
    with pytest.raises(PlanError, match=r"steps\[1\].parallel\[1\]: it contains itself"):
        read_plan(data)
    with pytest.raises(PlanError, match=r"steps\[1\]: it contains itself"):
        plan_from_yaml("&all\n- a\n- *all\n")


def test_the_same_part_twice_is_no_cycle():
    part = ["a", "b"]
    assert read_plan({"parallel": [part, part]}) == Parallel(Sequence("a", "b"), Sequence("a", "b"))


@pytest.mark.parametrize("read", [plan_from_json, plan_from_yaml])
def test_what_is_nested_too_deep_is_refused_however_deep_it_is(read):
    for depth in (MOST_DEPTH + 1, 100_000 if read is plan_from_json else 2_000):
        with pytest.raises(PlanError, match="nested deeper than"):
            read("[" * depth + '"a"' + "]" * depth)
    assert read("[" * MOST_DEPTH + '"a"' + "]" * MOST_DEPTH)


def test_what_is_too_wide_or_too_long_is_refused():
    with pytest.raises(PlanError, match="10,001 entries"):
        read_plan({"parallel": ["a"] * (MOST_BRANCHES + 1)})
    many = ["a"] * (MOST_STEPS // 4)
    assert read_plan([{"parallel": many}] * 4)
    with pytest.raises(PlanError, match="more than 20,000 steps"):
        read_plan([{"parallel": many}] * 5)


def test_a_few_lines_that_stand_for_millions_of_steps_are_refused_in_no_time():
    lines = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    text = "\n".join(["a0: &a0 x", *lines, "parallel: *a9", "each: *a9"])
    with pytest.raises(PlanError, match="'parallel' and 'each'"):
        plan_from_yaml(text)
    with pytest.raises(PlanError, match="more than 20,000 steps"):
        read_plan(_bomb())


def _bomb() -> Any:
    part: Any = "x"
    for _ in range(10):
        part = [part] * 10
    return part


@pytest.mark.parametrize("text", ["", "{", "[1,", "\x00", "{]"])
def test_what_is_no_json_is_said(text):
    with pytest.raises(PlanError, match="no JSON"):
        plan_from_json(text)


@pytest.mark.parametrize("text", ["a: [", "\x00", "a: b: c", "!!python/object:os.system {}"])
def test_what_is_no_yaml_is_said_and_nothing_in_it_is_run(text):
    with pytest.raises(PlanError):
        plan_from_yaml(text)


def test_a_key_that_is_there_twice_is_refused():
    with pytest.raises(PlanError, match="'task' is there twice"):
        plan_from_json('{"task": "a", "task": "b"}')


def test_a_date_in_yaml_is_the_text_that_json_has_for_it():
    plan = plan_from_yaml("task: report\nargs: {day: 2026-01-01, count: 3, draft: yes}\n")
    assert plan == Step("report", {"day": "2026-01-01", "count": 3, "draft": True})


@given(plans)
def test_a_plan_survives_its_plain_form(plan):
    assert read_plan(json.loads(json.dumps(plan_to_data(plan)))) == plan


@given(anything)
def test_whatever_is_read_gives_a_plan_or_its_mistakes(data):
    try:
        plan = read_plan(data)
    except PlanError as error:
        assert error.problems
    else:
        assert read_plan(plan_to_data(plan)) == plan
