"""A plan is checked as a whole: each mistake with its place, none of what would run."""

from __future__ import annotations

from typing import Any

import pytest

from fw_core import TASK_REGISTRY, register_task, task_framework
from fw_core.errors import PlanError, UnknownTaskError
from fw_core.workflow.checking import check_plan, last_steps
from fw_core.workflow.plan import (
    MOST_BRANCHES,
    MOST_DEPTH,
    MOST_STEPS,
    Choose,
    Each,
    Parallel,
    Sequence,
    Step,
    plan_of,
)


@pytest.fixture(autouse=True)
def tasks(fw_eager):
    @register_task("clean")
    def clean(text: str) -> str:
        return text.strip()

    @register_task("split")
    def split(text: str) -> list[str]:
        return text.split()

    @register_task("count")
    def count(text: str) -> int:
        return len(text)

    @register_task("total")
    def total(numbers: list[int], base: int = 0) -> int:
        return sum(numbers, base)

    @register_task("resize")
    def resize(path: str, width: int, *, sharp: bool = False) -> dict[str, Any]:
        return {"path": path, "width": width}

    @register_task("log")
    @task_framework(ignore_result=True)
    def log(value: Any) -> None:
        pass

    @register_task("now")
    def now() -> str:
        return "now"

    @register_task("any")
    def anything(value):
        return value


def problems(written: Any, data: Any = "a text") -> list[str]:
    try:
        check_plan(plan_of(written), data, tasks=TASK_REGISTRY, queues=("default", "bulk"))
    except PlanError as error:
        assert all(problem.fix for problem in error.problems)
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("written", "data"),
    [
        ("clean", "x"),
        (["clean", "split", {"each": "count"}, "total"], "a b"),
        ([{"parallel": ["count", ["clean", "count"]]}, "total"], "x"),
        ([{"task": "resize", "args": {"width": 3}, "queue": "bulk", "retries": 2}, "any"], "x"),
        (["count", {"if": {"at_least": 3}, "then": "log"}], "x"),
        ([{"if": {"empty": True}, "then": "log", "else": "split"}, {"each": "clean"}], "x"),
        ({"each": "count"}, ["a", "b"]),
        (["any", "total", "any", {"parallel": ["count", "total"]}], 7),
        (["split", "log"], "a b"),
        ({"if": {"exists": True, "field": "n"}, "then": "count", "else": "total"}, [1]),
    ],
)
def test_what_fits_together_has_no_mistakes(written, data):
    assert problems(written, data) == []


MISTAKES = [
    (["clean", "shuot", "cout"], "x", ["steps[1]: No task is named 'shuot'",
                                       "steps[2]: No task is named 'cout'"]),
    (["clean", {"parallel": ["count", "splt"]}], "x", ["steps[1].parallel[1]: No task is named"]),
    ("count", 7, ["the plan: count: argument 'text' must be str, got 7"]),
    (["count", "clean"], "x", ["steps[1]: steps[0] (count) gives int, and clean takes text: str"]),
    (["count", "total"], "x", ["steps[1]: steps[0] (count) gives int, and total takes numbers"]),
    ([{"parallel": ["split", "count"]}, "clean"], "x",
     ["steps[1]: the join of steps[0] gives a list of list[str] or int, and clean takes text"]),
    ([{"parallel": ["clean", "split"]}, "total"], "x", ["steps[1]: the join of steps[0] gives"]),
    (["count", {"each": "clean"}], "x", ["steps[1]: 'each' runs over a list, and steps[0] (cou"]),
    (["split", {"each": "total"}], "x", ["steps[1].each: each item of what steps[0] (split) giv"]),
    ({"each": "count"}, "x", ["the plan: 'each' runs over a list, and the data is none"]),
    ({"each": "count"}, ["a", 7], ["each: count: argument 'text' must be str, got 7"]),
    ({"task": "resize", "args": {"widht": 3}}, "x", ["has no argument 'widht'"]),
    (["clean", {"task": "resize", "args": {"widht": 3}}], "x",
     ["steps[1]: resize has no argument 'widht'; it takes (path: str, width: int, *, sharp: bool"]),
    (["clean", "resize"], "x", ["steps[1]: resize: missing a required argument: 'width'"]),
    (["clean", {"task": "resize", "args": {"width": "3"}}], "x", ["'width' must be int, got '3'"]),
    (["clean", {"task": "resize", "args": {"path": "x", "width": 3}}], "x", ["multiple values"]),
    (["clean", "now"], "x", ["steps[1]: now takes () -> str: no place for the result"]),
    ("now", "x", ["the plan: now takes () -> str: no place for the result"]),
    (["clean", {"task": "count", "queue": "blk"}], "x", ["uses queue 'blk', which no worker"]),
    ({"parallel": ["count", "log"]}, "x", ["parallel[1]: log throws its result away"]),
    (["split", {"each": ["clean", "log"]}], "x", ["steps[1].each.steps[1]: log throws its result"]),
    (["split", {"each": {"if": {"empty": True}, "then": "log", "else": "clean"}}], "x",
     ["steps[1].each.then: log throws its result away"]),
    (["count", {"if": {"field": "n", "equals": 3}, "then": "log"}], "x",
     ["steps[1].if: steps[0] (count) gives int, which has no field 'n'"]),
    ({"if": {"at_least": 3}, "then": "count"}, "x",
     ["if: The result is 'x', which cannot be asked"]),
    ([{"task": "clean", "name": "a"}, {"task": "count", "name": "a"}], "x",
     ["steps[0]: another step is called 'a'", "steps[1]: another step is called 'a'"]),
    (["clean", {"if": {"equals": ""}, "then": "count", "else": "split"}, "clean"], "x",
     ["steps[2]: steps[1].then (count) or steps[1].else (split) gives int or list[str], and"]),
]  # fmt: skip


@pytest.mark.parametrize(("written", "data", "said"), MISTAKES, ids=range(len(MISTAKES)))
def test_each_mistake_is_named_with_its_place(written, data, said):
    found = problems(written, data)
    assert len(found) == len(said), found
    for text, expected in zip(found, said, strict=True):
        assert expected in text


def test_three_different_mistakes_are_named_at_once():
    with pytest.raises(PlanError) as caught:
        check_plan(
            plan_of(["claen", {"parallel": ["log", "count"]}, {"task": "any", "queue": "blk"}]),
            "x",
            tasks=TASK_REGISTRY,
            queues=("default", "bulk"),
        )
    text = str(caught.value)
    for said in ("3 mistakes", "Did you mean 'clean'?", "throws its result away", "'blk'"):
        assert said in text
    assert isinstance(caught.value.problems[0].error, UnknownTaskError)


def test_a_plan_that_is_too_large_is_refused_before_it_is_gone_through():
    assert problems(Parallel(*["count"] * MOST_BRANCHES)) == []
    assert "10,001 parts" in problems(Parallel(*["count"] * (MOST_BRANCHES + 1)))[0]
    wide = Parallel(*["count"] * (MOST_STEPS // 4 + 1))
    assert "more than 20,000" in problems(Sequence(*["any", wide] * 4))[0]
    deep: Any = Step("any")
    for _ in range(3_000):
        deep = Sequence(deep)
    assert f"nested deeper than {MOST_DEPTH}" in problems(deep)[0]
    assert "there is no step in it" in problems(Sequence("any", Parallel()))[0]
    assert "10,001 items" in problems(Each("count"), ["a"] * (MOST_BRANCHES + 1))[0]


def test_a_task_may_stand_for_its_name():
    count = TASK_REGISTRY["count"]
    assert Sequence("clean", count) == Sequence("clean", "count")
    assert problems(Sequence("clean", Step(count))) == []


def test_the_last_steps_are_those_whose_result_a_plan_has():
    plan = Sequence("a", Choose({"equals": 1}, ["b", "c"], "d"))
    assert [(path, step.task) for path, step in last_steps(plan)] == [
        ("steps[1].then.steps[1]", "c"),
        ("steps[1].else", "d"),
    ]
    assert list(last_steps(Sequence("a", Parallel("b")))) == []
