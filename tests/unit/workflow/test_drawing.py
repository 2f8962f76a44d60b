"""Pictures of a workflow: each shows every step once, in its state."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fw_core.attempt.failure import TaskError
from fw_core.workflow.drawing import as_text, places, progress
from fw_core.workflow.mermaid import as_mermaid
from fw_core.workflow.plan import Choose, Each, Parallel, Plan, Sequence, Step, plan_of, steps_in
from fw_core.workflow.state import State, StepState, WorkflowState
from fw_core.workflow.svg import as_svg, boxes

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)

names = st.text(min_size=1, max_size=30)
plans = st.recursive(
    st.builds(Step, names, name=st.none() | names),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Sequence(*parts))
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: Parallel(*parts))
        | inner.map(Each)
        | st.builds(Choose, st.just({"equals": '"x"'}), inner, st.none() | inner)
    ),
    max_leaves=8,
)


def step(path: str, state: State = State.SUCCEEDED, **more: object) -> StepState:
    given = {"task": "t", "task_id": path, "attempts": 1, "started_at": BEGAN, **more}
    return StepState(path=path, state=state, **given)  # type: ignore[arg-type]


def workflow(plan: object, *steps: StepState, state: State = State.RUNNING, **more: object):
    read = plan_of(plan)
    given = {"id": "w", "plan": read, "state": state, "created_at": BEGAN, "steps": steps, **more}
    return WorkflowState(**given)  # type: ignore[arg-type]


FAILED = workflow(
    ["words", {"each": {"task": "measure", "name": "length"}}, "total"],
    step("steps[0]", finished_at=BEGAN + timedelta(seconds=1)),
    *(step(f"steps[1].each[{n}]") for n in range(9)),
    step("steps[1].each[9]", State.FAILED, attempts=2, error=TaskError("ValueError", "no\nlength")),
    step("steps[1].each[10]", State.RUNNING),
    step("steps[1].result", task="fw.go_on"),
    step("steps[2]", State.FAILED, attempts=0, error=TaskError("ValueError", "no")),
    state=State.FAILED,
    error=TaskError("ValueError", "no\nlength"),
    failed_step="steps[1].each[9]",
    finished_at=BEGAN + timedelta(minutes=3),
)


def test_a_failed_workflow_says_where_and_how_to_go_on():
    assert as_text(FAILED, now=BEGAN + timedelta(seconds=200)).splitlines() == [
        "w  ✗ failed  started 2026-01-01 12:00:00 UTC, 3 min 0 s",
        "failed at steps[1].each[9]: ValueError: no length",
        "fw workflow retry w goes on from there, once its cause is mended.",
        "├─ ✓ words  steps[0]  succeeded 1.0 s",
        "├─ for each item",
        "│  └─ ✗ length  steps[1].each  9 of 11 succeeded, 1 running, 1 failed",
        "│     └─ ✗ steps[1].each[9]  failed 3 min 20 s, 2 attempts: ValueError: no length",
        "└─ · total  steps[2]  not run",
    ]


def test_branches_and_choices_are_drawn_before_they_run():
    plan = [{"parallel": ["a", ["b", "c"]]}, {"if": {"at_least": 3}, "then": "d", "else": "e"}]
    assert as_text(workflow(plan), now=BEGAN).splitlines()[1:] == [
        "├─ side by side",
        "│  ├─ · a  steps[0].parallel[0]  waiting",
        "│  └─ one after the other",
        "│     ├─ · b  steps[0].parallel[1].steps[0]  waiting",
        "│     └─ · c  steps[0].parallel[1].steps[1]  waiting",
        "└─ if the result at_least 3",
        "   ├─ then",
        "   │  └─ · d  steps[1].then  waiting",
        "   └─ else",
        "      └─ · e  steps[1].else  waiting",
    ]


def test_of_many_failed_items_five_are_named():
    error = TaskError("E", "x")
    bad = [step(f"each[{n}]", State.FAILED, error=error) for n in range(17)]
    lines = as_text(workflow({"each": "a"}, *bad), now=BEGAN).splitlines()
    assert lines[-1] == "      └─ … and 12 more"
    assert len(lines) == 1 + 1 + 1 + 5 + 1


def test_the_bar_counts_what_is_known():
    assert progress(FAILED, width=10) == "[███████···] 10 of 13 steps, 1 running, 1 failed"
    assert progress(workflow("a"), width=4) == "[····] 0 of 1 steps"
    chosen = {"if": {"equals": 1}, "then": "a", "else": "b"}
    ended = workflow(chosen, step("then"), state=State.SUCCEEDED)
    assert progress(ended, width=4) == "[████] 1 of 1 steps"


@given(plans, st.integers(20, 100))
def test_a_tree_shows_every_step_within_its_width(plan: Plan, width: int):
    lines = as_text(workflow(plan), width=width, now=BEGAN).split("\n")
    assert all(len(line) <= width for line in lines)
    whole = as_text(workflow(plan), width=10_000, now=BEGAN)
    assert sum(line.endswith("  waiting") for line in whole.split("\n")) == len(
        list(steps_in(plan))
    )


@given(plans)
def test_a_flowchart_has_every_step_once_and_all_can_be_reached(plan: Plan):
    chart = as_mermaid(workflow(plan))
    lines = chart.splitlines()
    nodes = {m[1] for line in lines if (m := re.match(r"    (\w+)[\[({]", line))}
    arrow = re.compile(r"    (\w+) -->(?:\|\w+\|)? (\w+)$")
    edges = {(m[1], m[2]) for line in lines if (m := arrow.match(line))}
    assert len(re.findall(r":::waiting$", chart, re.MULTILINE)) == len(list(steps_in(plan)))
    assert {node for edge in edges for node in edge} == nodes
    reached, waiting = {"start"}, ["start"]
    while waiting:
        here = waiting.pop()
        new = {to for origin, to in edges if origin == here} - reached
        reached |= new
        waiting.extend(new)
    assert reached == nodes
    declared = [line for line in lines if not re.match(r"    (\w+) -->", line)]
    assert all(re.fullmatch(r"[^\"]*(\"[^\"]*\")?[^\"]*", line) for line in declared)


@given(plans)
def test_a_picture_has_every_step_once_and_none_over_another(plan: Plan):
    drawn = as_svg(workflow(plan))
    root = ET.fromstring(drawn)
    steps = [box for box in boxes(plan, places(workflow(plan)), 24, 24) if box.is_step]
    assert len(steps) == len(list(steps_in(plan)))
    _, _, width, height = map(int, root.attrib["viewBox"].split())
    assert all(box.x + box.width <= width and box.y + box.height <= height for box in steps)
    for one, other in itertools.combinations(steps, 2):
        beside = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert beside or one.y + one.height <= other.y or other.y + other.height <= one.y
