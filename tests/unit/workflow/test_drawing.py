"""Pictures of a workflow: each shows every step once, in its state."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fw_core import register_task
from fw_core.attempt.failure import TaskError
from fw_core.client import current_app
from fw_core.workflow.drawing import as_text, progress
from fw_core.workflow.mermaid import as_mermaid
from fw_core.workflow.plan import Choose, Each, Parallel, Sequence, Step, plan_of, steps_in
from fw_core.workflow.running import start_workflow
from fw_core.workflow.standing import refusals, standings
from fw_core.workflow.state import State, StepState, WorkflowState
from fw_core.workflow.svg import GAP, Arrow, Box, as_svg, drawn, layout

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
NO_LENGTH = TaskError("ValueError", "no\nlength")

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


@st.composite
def workflows(draw: st.DrawFn) -> WorkflowState:
    """Plans of which anything may have become, also what never becomes of one."""
    plan = draw(plans)
    steps: list[StepState] = []
    for place, _ in steps_in(plan):
        for number in range(draw(st.integers(0, 2))):
            path = re.sub(r"\beach\b", f"each[{number}]", place)
            error = draw(st.none() | st.builds(TaskError, st.text(max_size=9), st.text()))
            attempts = draw(st.integers(0, 3))
            state = draw(st.sampled_from(State))
            steps.append(step(path, state, attempts=attempts, error=error))
    return workflow(plan, *steps, state=draw(st.sampled_from(State)))


FAILED = workflow(
    ["words", {"each": {"task": "measure", "name": "length"}}, "total"],
    step("steps[0]", finished_at=BEGAN + timedelta(seconds=1)),
    *(step(f"steps[1].each[{n}]") for n in range(9)),
    step("steps[1].each[9]", State.FAILED, attempts=2, error=NO_LENGTH),
    step("steps[1].each[10]", State.RUNNING),
    step("steps[1].result", task="fw.go_on"),
    step("steps[2]", State.FAILED, attempts=0, error=TaskError("JoinFailed", "Not run")),
    state=State.FAILED,
    error=TaskError("JoinFailed", "Not run, because measure failed"),
    failed_step="steps[1].each[9]",
    finished_at=BEGAN + timedelta(minutes=3),
)


# ------------------------------------------------------------------------------------- the tree


def test_a_failed_workflow_says_where_and_how_to_go_on():
    """The step's own error; that of the whole only says that another one failed."""
    assert as_text(FAILED, now=BEGAN + timedelta(seconds=200)).splitlines() == [
        "w  ✗ failed  started 2026-01-01 12:00:00 UTC, 3 min 0 s",
        "failed at steps[1].each[9]: ValueError: no length",
        "fw workflow retry w goes on from there, once its cause is mended.",
        "├─ ✓ words  steps[0]  succeeded 1.0 s",
        "├─ for each item",
        "│  └─ ✗ length  steps[1].each  9 of 11 succeeded, 1 failed, 1 running",
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


def test_the_line_that_lets_it_go_on_is_never_cut():
    """An id has up to 200 characters, any of them; the line is to be copied into a shell."""
    own_id = f"order {'7' * 190}"
    head, why, way_on, *_ = as_text(
        workflow("a", state=State.FAILED, id=own_id, error=TaskError("E", "x" * 99)),
        width=40,
        now=BEGAN,
    ).splitlines()
    assert f"{own_id}  ✗ failed" in head
    assert len(why) == 40
    assert way_on.startswith(f"fw workflow retry '{own_id}' ")


def test_the_start_is_in_utc_whatever_the_zone_of_the_database():
    created = datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert "12:00:00 UTC, 0.0 s" in as_text(workflow("a", created_at=created), now=BEGAN)


def test_an_error_gives_a_terminal_no_orders():
    error = TaskError("E", "\x1b[2J\x07 gone")
    assert "E: ?[2J? gone" in as_text(workflow("a", step("", State.FAILED, error=error)), now=BEGAN)


@settings(max_examples=50)
@given(workflows(), st.integers(20, 100))
def test_a_tree_shows_every_step_once_within_its_width(state: WorkflowState, width: int):
    lines = as_text(state, width=width, now=BEGAN).split("\n")
    kept = 0 if state.state is not State.FAILED else 1
    assert all(
        len(line) <= width for number, line in enumerate(lines) if number not in (0, 2 * kept)
    )
    assert all(line.isprintable() for line in lines)
    whole = as_text(state, width=10_000, now=BEGAN).split("\n")
    for path in (place for place, _ in steps_in(state.plan) if place):
        assert sum(f"  {path}  " in line for line in whole) == 1


# ------------------------------------------------------------------------- what it says of steps

CHOICE = ["a", {"if": {"equals": 1}, "then": "b", "else": ["c", {"each": "d"}]}, "e"]


def words(state: WorkflowState) -> dict[str, str]:
    return {path: standing.word for path, standing in standings(state).items()}


def test_the_branch_beside_the_one_that_was_taken_is_not_taken():
    assert words(workflow(CHOICE, step("steps[0]"), step("steps[1].then", State.RUNNING))) == {
        "steps[0]": "succeeded",
        "steps[1].then": "running",
        "steps[1].else.steps[0]": "not taken",
        "steps[1].else.steps[1].each": "not taken",
        "steps[2]": "waiting",
    }


def test_a_branch_without_another_one_is_not_taken_when_the_next_step_begins():
    plan = [{"if": {"equals": 1}, "then": "b"}, "e"]
    assert words(workflow(plan))["steps[0].then"] == "waiting"
    assert words(workflow(plan, step("steps[1]")))["steps[0].then"] == "not taken"


def test_the_branches_of_some_items_do_not_say_what_others_will_take():
    plan = [{"each": {"if": {"equals": 1}, "then": "b", "else": "c"}}, "e"]
    some = step("steps[0].each[0].then")
    assert words(workflow(plan, some))["steps[0].each.else"] == "waiting"
    assert words(workflow(plan, some, step("steps[1]")))["steps[0].each.else"] == "not taken"


def test_items_are_known_so_far_until_what_follows_begins():
    plan = [{"each": "a"}, "b"]
    item = step("steps[0].each[0]")
    running = standings(workflow(plan, item))["steps[0].each"]
    assert (running.state, running.word) == (State.RUNNING, "1 of 1 succeeded so far")
    ended = standings(workflow(plan, item, step("steps[1]")))["steps[0].each"]
    assert (ended.state, ended.word) == (State.SUCCEEDED, "1 of 1 succeeded")


def test_that_one_item_is_further_on_does_not_say_that_all_are():
    plan = {"each": ["a", "b"]}
    further = [step("each[0].steps[0]"), step("each[0].steps[1]", State.RUNNING)]
    assert words(workflow(plan, *further))["each.steps[0]"] == "1 of 1 succeeded so far"


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State.RUNNING, "waiting"),
        (State.FAILED, "not run"),
        (State.CANCELLED, "not run"),
        (State.SUCCEEDED, "not known"),
    ],
)
def test_what_will_not_begin_does_not_wait(state, word):
    assert words(workflow(["a", "b"], step("steps[0]"), state=state))["steps[1]"] == word


def test_an_empty_list_has_no_items():
    ended = workflow({"each": "a"}, step("result", task="fw.go_on"), state=State.SUCCEEDED)
    assert words(ended) == {"each": "no items"}


@pytest.mark.parametrize(
    ("plan", "data", "drawn"),
    [
        (
            ["as-it-is", {"each": "as-it-is"}, "as-it-is"],
            3,
            [
                "failed at steps[1]: runs over a list, and got int",
                "├─ ✓ as-it-is  steps[0]",
                "├─ ✗ for each item  failed: runs over a list, and got int",
                "│  └─ · as-it-is  steps[1].each  not run",
                "└─ · as-it-is  steps[2]  not run",
            ],
        ),
        (
            {"each": "as-it-is"},
            3,
            [
                "failed at the plan: runs over a list, and got int",
                "└─ ✗ for each item  failed: runs over a list, and got int",
                "   └─ · as-it-is  each  not run",
            ],
        ),
        (
            {"each": [{"if": {"at_least": 3}, "then": "as-it-is"}, "as-it-is"]},
            ["a", 4],
            [
                "failed at each[0].steps[0]: The result is 'a', which cannot be asked: ",
                "└─ for each item",
                "   ├─ ✗ if the result at_least 3  1 failed",
                "   │  ├─ ✗ each[0].steps[0]  failed: The result is 'a', which ",
                "   │  └─ then",
                "   │     └─ ✓ as-it-is  each.steps[0].then  1 of 1 succeeded",
                "   └─ · as-it-is  each.steps[1]  1 of 2 succeeded, 1 not run",
            ],
        ),
    ],
)
def test_a_part_that_could_not_go_on_has_failed_and_says_why(fw_broker, plan, data, drawn):
    """The framework's own step that fails in its place is not drawn."""

    @register_task("as-it-is")
    def as_it_is(value):
        return value

    sent = start_workflow(current_app(), plan_of(plan), data)
    fw_broker.drain()
    _, *lines = as_text(sent.status(), now=BEGAN).splitlines()
    del lines[1]
    assert [line[: len(start)] for line, start in zip(lines, drawn, strict=True)] == drawn


# -------------------------------------------------------------------------------------- the bar


def test_the_bar_counts_what_is_known():
    assert (
        progress(FAILED, width=10) == "[███████···] 10 of 13 steps, 1 failed, 1 running, 1 not run"
    )
    assert progress(workflow("a"), width=4) == "[····] 0 of 1 steps"


def test_a_branch_that_was_not_taken_is_not_to_come():
    state = workflow(CHOICE, step("steps[0]"), step("steps[1].then"))
    assert progress(state, width=3) == "[██·] 2 of 3 steps"


@settings(max_examples=50)
@given(workflows(), st.integers(0, 80))
def test_a_bar_is_as_long_as_asked_and_full_when_all_has_succeeded(
    state: WorkflowState, width: int
):
    bar = progress(state, width=width)
    [(full, rest, done, total)] = re.findall(r"^\[(█*)(·*)\] (\d+) of (\d+) steps", bar)
    assert len(full) + len(rest) == width
    assert int(done) <= int(total)
    assert not rest or state.state is not State.SUCCEEDED
    assert not width or bool(rest) == (done != total)


# -------------------------------------------------------------------------------- the flowchart

NODE = re.compile(r'    (\w+)(?:\["|\(\["|\(\("|\{")([^"\n]*)(?:"\]|"\]\)|"\)\)|"\})(?::::(\w+))?')
EDGE = re.compile(r"    (\w+) -->(?:\|(\w+)\|)? (\w+)")
FRAME = re.compile(r'    subgraph (\w+)\["each item"\]')
CLASS = re.compile(r"    classDef (\w+) fill:#\w{6},color:#000")


@settings(max_examples=50)
@given(workflows())
def test_a_flowchart_has_every_step_once_and_all_can_be_reached(state: WorkflowState):
    head, *lines = as_mermaid(state).split("\n")
    assert head == "flowchart TD"
    nodes = {m[1]: m for line in lines if (m := NODE.fullmatch(line))}
    edges = [(m[1], m[3]) for line in lines if (m := EDGE.fullmatch(line))]
    frames = [m[1] for line in lines if (m := FRAME.fullmatch(line))]
    classes = [m[1] for line in lines if (m := CLASS.fullmatch(line))]
    ends = lines.count("    end")
    assert len(nodes) + len(edges) + len(frames) + ends + len(classes) == len(lines)
    assert len(set(frames) | set(nodes)) == len(frames) + len(nodes)
    assert ends == len(frames)
    assert classes == list(State)
    steps = [m for m in nodes.values() if "<br/>" in m[2]]
    assert [m[3] for m in steps] == [str(each.state) for each in in_order_of_plan(state)]
    reached, waiting = {"start"}, ["start"]
    while waiting:
        here = waiting.pop()
        new = {to for origin, to in edges if origin == here} - reached
        reached |= new
        waiting.extend(new)
    assert reached == set(nodes) == {"start"} | {to for _, to in edges}


def in_order_of_plan(state: WorkflowState):
    known = standings(state)
    return [known[path] for path, _ in steps_in(state.plan)]


@given(names)
def test_a_label_means_what_it_says(name: str):
    """Nothing in it is read as Mermaid, as HTML or as Markdown."""
    [label] = re.findall(r'    n0\["(.*)<br/>waiting"\]', as_mermaid(workflow(Step(name))))
    assert re.fullmatch(r"(?:[^\W_]|[-._ ]|#\d+;)*", label)
    assert not re.search(r"^ |  | $|(?:^| |;)[-._]|[-._](?:$| |#)|www\.", label)
    read = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label)
    assert read == "".join(c if c.isprintable() else "?" for c in " ".join(name.split()))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("texts.send_invoice", "texts.send_invoice"),
        ("1. fetch", "1#46; fetch"),
        ("- fetch", "#45; fetch"),
        ("__init__", "#95;#95;init#95;#95;"),
        ("www.example.org", "www#46;example.org"),
        ('a "b" [c] #35; d', "a #34;b#34; #91;c#93; #35;35#59; d"),
        ("Grüße, 世界", "Grüße#44; 世界"),
    ],
)
def test_what_would_be_markdown_is_written_by_its_number(name, label):
    assert f'n0["{label}<br/>waiting"]:::waiting' in as_mermaid(workflow(Step(name)))


def test_after_a_choice_its_two_ends_meet_before_the_branches():
    """Otherwise there would be an edge from each of many ends to each of many branches."""
    choice = {"if": {"equals": 1}, "then": "a", "else": "b"}
    chart = as_mermaid(workflow([choice, {"parallel": ["c"] * 100}]))
    assert chart.count("-->") == 1 + 2 + 2 + 100 + 100 + 1


# ---------------------------------------------------------------------------------- the picture


def shapes(state: WorkflowState) -> tuple[list[Box], list[Arrow]]:
    found = list(drawn(layout(state.plan), standings(state), refusals(state), GAP, GAP))
    boxes = [each for each in found if isinstance(each, Box)]
    return boxes, [each for each in found if isinstance(each, Arrow)]


@settings(max_examples=50)
@given(workflows())
def test_a_picture_has_every_step_once_and_none_over_another(state: WorkflowState):
    boxes, arrows = shapes(state)
    steps = [box for box in boxes if box.is_step]
    assert [box.path for box in steps] == [path for path, _ in steps_in(state.plan)]
    root = ET.fromstring(as_svg(state))
    left, top, width, height = map(int, root.attrib["viewBox"].split())
    for box in boxes:
        assert left <= box.x <= box.x + box.width <= width
        assert top <= box.y <= box.y + box.height <= height
    for arrow in arrows:
        assert left <= min(arrow.x, arrow.to_x) <= max(arrow.x, arrow.to_x) <= width
        assert top <= arrow.y < arrow.to_y <= height
    for one, other in itertools.combinations(boxes, 2):
        beside = one.x + one.width <= other.x or other.x + other.width <= one.x
        apart = beside or one.y + one.height <= other.y or other.y + other.height <= one.y
        assert apart or (not one.is_step and is_inside(other, one))


def is_inside(box: Box, frame: Box) -> bool:
    right, bottom = frame.x + frame.width, frame.y + frame.height
    across = frame.x < box.x <= box.x + box.width < right
    return across and frame.y < box.y <= box.y + box.height < bottom


@settings(max_examples=50)
@given(workflows())
def test_no_arrow_runs_through_a_step(state: WorkflowState):
    boxes, arrows = shapes(state)
    for box, arrow in itertools.product((box for box in boxes if box.is_step), arrows):
        above = arrow.to_y <= box.y
        below = arrow.y >= box.y + box.height
        left = max(arrow.x, arrow.to_x) <= box.x
        right = min(arrow.x, arrow.to_x) >= box.x + box.width
        assert above or below or left or right


def test_a_choice_has_its_answers_at_its_arrows():
    plan = {"if": {"at_least": 3}, "then": "a"}
    root = ET.fromstring(as_svg(workflow(plan, step("then", State.RUNNING))))
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["if the result at_least 3", "yes", "a", "running", "no"]
