"""A plan as links: what is sent first, under which ids, and what travels along."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from fw_core.call.arguments import Arguments
from fw_core.headers import RETRIES, STEP
from fw_core.workflow.links import GO_ON, PART, REFUSE, begin, id_at, links_of, start
from fw_core.workflow.plan import MOST_BRANCHES, Step, plan_of


def task(name: str, queue: str = "default", priority: int | None = None) -> Any:
    def function(value, by=1): ...

    return SimpleNamespace(
        spec=SimpleNamespace(queue=queue, priority=priority), arguments=Arguments(name, function)
    )


TASKS: Any = {"a": task("a"), "b": task("b", "bulk", 7), "c": task("c", "slow")}


def first(written: Any, data: Any = "x") -> list[Any]:
    links = links_of(plan_of(written), TASKS)
    return start(json.loads(json.dumps(links)), data, "w")


def names(sendings: list[Any]) -> list[str]:
    return [sending.link["task"] for sending in sendings]


def test_one_step_after_the_other_travels_with_the_first():
    sendings = first(["a", Step("b", {"by": 2}, retries=5), Step("c", queue="other")])
    [one] = sendings
    assert (one.link["task"], one.value, one.task_id) == ("a", "x", id_at("w", "steps[0]"))
    second, third = one.rest
    assert (second["task"], second["kwargs"]) == ("b", {"by": 2})
    assert second["options"]["queue"] == "bulk"
    assert second["options"]["priority"] == 7
    assert second["options"]["headers"] == {RETRIES: 5, STEP: "steps[1]"}
    assert third["options"]["queue"] == "other"
    assert third["options"]["task_id"] == "w"
    assert {each["options"]["root_id"] for each in (one.link, *one.rest)} == {"w"}


def test_steps_side_by_side_are_members_of_one_join():
    sendings = first([{"parallel": ["a", ["a", "b"]]}, "c"])
    assert names(sendings) == ["a", "a"]
    assert sendings[0].link["options"]["group_index"] == 0
    [second] = sendings[1].rest
    assert second["options"]["group_index"] == 1
    waiting = sendings[0].link["options"]["chord"]
    assert waiting == second["options"]["chord"]
    assert (waiting["task"], waiting["chord_size"]) == ("c", 2)
    assert waiting["options"]["task_id"] == "w"
    join_id = sendings[0].link["options"]["group_id"]
    assert join_id == second["options"]["group_id"] == id_at("w", "steps[0]:join")


def test_a_part_that_comes_later_is_opened_when_its_value_is_known():
    sendings = first(["a", {"each": "b"}])
    [one] = sendings
    part, landing = one.rest
    assert (part["task"], landing["task"]) == (PART, GO_ON)
    assert landing["options"]["queue"] == "bulk"
    assert landing["options"]["task_id"] == "w"
    opened = begin([part, landing], [7, 8, 9])
    assert [sending.value for sending in opened] == [7, 8, 9]
    assert opened[2].task_id == id_at("w", "steps[1].each[2]")
    assert opened[2].link["options"]["chord"]["chord_size"] == 3


def test_a_part_that_is_opened_twice_makes_the_same_messages():
    [one] = first(["a", {"each": {"parallel": ["b", {"each": "c"}]}}, "a"])
    value = [[1, 2], [3]]
    assert begin(list(one.rest), value) == begin(list(one.rest), value)


def test_what_follows_a_join_travels_with_what_waits_for_it():
    sendings = first([{"parallel": ["a", "b"]}, "c", {"each": "a"}, "b"])
    waiting = sendings[0].link["options"]["chord"]
    assert waiting["task"] == "c"
    assert [link["task"] for link in waiting["options"]["chain"]] == ["b", PART]
    assert waiting["options"]["chain"][0]["options"]["task_id"] == "w"


def test_a_list_without_items_goes_on_at_once():
    sendings = first({"each": "a"}, [])
    assert (names(sendings), sendings[0].value, sendings[0].task_id) == ([GO_ON], [], "w")


def test_a_choice_sends_one_side_and_what_follows_both():
    plan = [{"if": {"at_least": 3}, "then": ["a", "b"], "else": "c"}, "a"]
    for value, taken in ((3, ["a", "b", "a"]), (2, ["c", "a"])):
        [one] = first(plan, value)
        assert [one.link["task"], *(link["task"] for link in one.rest)] == taken
        assert one.rest[-1]["options"]["task_id"] == "w"
    [one] = first([{"if": {"at_least": 3}, "then": "a"}, "b"], 2)
    assert (one.link["task"], one.value) == ("b", 2)


@pytest.mark.parametrize(
    ("written", "value", "reason"),
    [
        ({"each": "a"}, 7, "steps[1]: runs over a list, and got int"),
        ({"each": "a"}, [0] * (MOST_BRANCHES + 1), "steps[1]: got 10,001 items, more than 10,000"),
        ({"if": {"at_least": 3}, "then": "a"}, "x", "steps[1]: The result is 'x', which cannot"),
    ],
)
def test_a_result_that_cannot_be_gone_on_with_fails_what_follows(written, value, reason):
    [one] = first(["a", written, "b"])
    [refused] = begin(list(one.rest), value)
    assert refused.link["task"] == REFUSE
    assert refused.link["kwargs"]["reason"].startswith(reason)
    assert refused.rest[-1]["options"]["task_id"] == "w"
    assert refused.task_id != "w"


def test_nested_parts_are_members_of_their_own_joins():
    sendings = first({"parallel": [{"parallel": ["a", "b"]}, "c"]})
    assert names(sendings) == ["a", "b", "c"]
    inner, outer = sendings[0].link["options"]["chord"], sendings[2].link["options"]["chord"]
    assert inner["options"]["chord"] == outer
    assert (inner["task"], outer["task"]) == (GO_ON, GO_ON)
    assert outer["options"]["task_id"] == "w"
