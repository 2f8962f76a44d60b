"""Plans as data: some that are read, some that are not, and strategies that make more."""

from __future__ import annotations

from hypothesis import strategies as st

from fw_core.workflow.condition import COMPARISONS, Condition
from fw_core.workflow.plan import Choose, Each, Parallel, Sequence, Step

PLANS = {
    '"resize"': Step("resize"),
    '["download", "resize"]': Sequence("download", "resize"),
    '{"parallel": ["shout", ["clean", "count"]]}': Parallel("shout", Sequence("clean", "count")),
    '{"each": "resize"}': Each("resize"),
    '{"task": "resize", "args": {"width": 640}, "queue": "bulk", "retries": 0, "name": "s"}': Step(
        "resize", {"width": 640}, queue="bulk", retries=0, name="s"
    ),
    '{"if": {"field": "status", "equals": "paid"}, "then": "ship", "else": "remind"}': Choose(
        Condition("equals", "paid", "status"), "ship", "remind"
    ),
    '{"if": {"empty": true}, "then": "ship"}': Choose({"empty": True}, "ship"),
}

MISTAKES = [
    ([], "the plan", "steps must be a list with something in it"),
    ("", "the plan", "no task's name"),
    (7, "the plan", "7 is no step"),
    (None, "the plan", "None is no step"),
    (["a", 7], "steps[1]", "7 is no step"),
    (["a", {"parallel": ["b", {"tsk": "c"}]}], "steps[1].parallel[1]", "Did you mean 'task'?"),
    ({"parallel": []}, "the plan", "parallel must be a list with something in it"),
    ({"parallel": "b"}, "the plan", "parallel must be a list with something in it"),
    ({"task": "a", "each": "b"}, "the plan", "this one has 'task' and 'each'"),
    ({"task": "a", "agrs": {}}, "the plan", "Did you mean 'args'?"),
    ({"task": 3}, "the plan", "3 is no task's name"),
    ({"task": "a", "args": [1]}, "the plan", "args must be a mapping of names"),
    ({"task": "a", "args": {1: 2}}, "the plan", "args must be a mapping of names"),
    ({"task": "a", "retries": -1}, "the plan", "retries must be a whole number from 0"),
    ({"task": "a", "retries": True}, "the plan", "retries must be a whole number from 0"),
    ({"task": "a", "queue": ""}, "the plan", "queue must be a text"),
    ({"each": ["a", 7]}, "each.steps[1]", "7 is no step"),
    ({"if": {"equals": 1}}, "the plan", "it does not say what then"),
    ({"if": 3, "then": "a"}, "if", "3 is no condition"),
    ({"if": {"equal": 3}, "then": "a"}, "if", "Did you mean 'equals'"),
    ({"if": {"equals": 3, "empty": True}, "then": "a"}, "if", "a condition asks one of"),
    ({"if": {"field": 3, "equals": 3}, "then": "a"}, "if", "field must be a text"),
    ({"if": {"exists": "yes"}, "then": "a"}, "if", "exists takes true or false"),
    ({"if": {"in": "abc"}, "then": "a"}, "if", "in takes a list"),
    ({"if": {"equals": 3}, "then": 4, "else": 5}, "then", "4 is no step"),
]

names = st.text("abcxyz_.0", min_size=1, max_size=8)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
steps = st.builds(
    Step,
    names,
    st.dictionaries(names, plain, max_size=2),
    queue=st.none() | names,
    retries=st.none() | st.integers(0, 5),
    name=st.none() | names,
)
conditions = st.one_of(
    st.builds(
        Condition, st.sampled_from(["equals", "not_equals", "contains", "at_least"]), plain, names
    ),
    st.builds(Condition, st.sampled_from(["exists", "empty"]), st.booleans(), st.just("")),
    st.builds(Condition, st.just("in"), st.lists(plain, max_size=3), names),
)
plans = st.recursive(
    steps,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Sequence(*parts)),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Parallel(*parts)),
        inner.map(Each),
        st.builds(Choose, conditions, inner, st.none() | inner),
    ),
    max_leaves=8,
)

anything = st.recursive(
    st.none() | st.integers() | st.sampled_from(["task", "a", "parallel"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["task", "args", "parallel", "each", "if", "then", "else", "field", *COMPARISONS]
            )
            | st.integers(),
            inner,
            max_size=4,
        )
    ),
)
