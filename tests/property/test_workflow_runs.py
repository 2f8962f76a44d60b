"""Any plan run by a worker gives what the plan means, each effect once, its failure where it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fw_testing
from fw_core import GiveUp, TaskFailed, register_task, task_framework
from fw_core.workflow.condition import Condition
from fw_core.workflow.plan import Choose, Each, Parallel, Plan, Sequence, Step
from fw_core.workflow.running import run_plan

ran: list[Any] = []


def interpret(plan: Plan, value: Any, functions: Mapping[str, Callable[..., Any]]) -> Any:
    """What a plan means: the definition that every run is compared with."""
    match plan:
        case Step(task=task, args=args):
            return functions[task](value, **args)
        case Sequence(steps=steps):
            for step in steps:
                value = interpret(step, value, functions)
            return value
        case Parallel(branches=branches):
            return [interpret(branch, value, functions) for branch in branches]
        case Each(body=body):
            return [interpret(body, item, functions) for item in value]
        case Choose(condition=asked, then=then, otherwise=otherwise):
            if asked.holds(value):
                return interpret(then, value, functions)
            return value if otherwise is None else interpret(otherwise, value, functions)


def total(value: Any) -> int:
    return value if isinstance(value, int) else sum(map(total, value))


def plus(value, by=1):
    return total(value) + by


def listed(value, times=2):
    return [total(value) + number for number in range(times)]


def same(value):
    return value


def picky(value):
    if total(value) % 5 == 3:
        raise GiveUp("it is three")
    return value


FUNCTIONS = {"plus": plus, "listed": listed, "same": same, "picky": picky}


def declare() -> None:
    for name, function in FUNCTIONS.items():
        register_task(name)(task_framework(name=name, retries=0)(noting(name, function)))


def noting(name: str, function: Any) -> Any:
    if name == "plus":

        def run(value, by: int = 1):
            ran.append((name, value))
            return function(value, by)

    elif name == "listed":

        def run(value, times: int = 2):
            ran.append((name, value))
            return function(value, times)

    else:

        def run(value):
            ran.append((name, value))
            return function(value)

    return run


steps = st.one_of(
    st.builds(Step, st.just("plus"), st.fixed_dictionaries({}, optional={"by": st.integers(0, 9)})),
    st.builds(Step, st.just("same")),
)
lists = st.builds(
    Step, st.just("listed"), st.fixed_dictionaries({}, optional={"times": st.integers(0, 3)})
)


def larger(inner: st.SearchStrategy[Plan]) -> st.SearchStrategy[Plan]:
    conditions = st.builds(
        Condition, st.sampled_from(["equals", "not_equals", "in"]), st.just([1, 2, 3])
    )
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Sequence(*parts)),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Parallel(*parts)),
        st.tuples(lists, inner).map(lambda two: Sequence(two[0], Each(two[1]))),
        st.builds(Choose, conditions, inner, st.none() | inner),
    )


plans = st.recursive(steps, larger, max_leaves=8)
failing = st.recursive(steps | st.builds(Step, st.just("picky")), larger, max_leaves=6)


@pytest.fixture(scope="module", autouse=True)
def _tasks():
    with fw_testing.fake_broker():
        yield


@given(plans, st.integers(0, 9))
def test_a_plan_gives_what_it_means_and_each_step_runs_once(plan, data):
    with fw_testing.fake_broker() as broker:
        declare()
        result = run_plan(plan, data)
        broker.drain()
        by_worker, ran[:] = Counter(map(str, ran)), []
        expected = interpret(plan, data, {name: noting(name, f) for name, f in FUNCTIONS.items()})
        by_hand, ran[:] = Counter(map(str, ran)), []
        assert result.get(timeout=0) == expected
        assert by_worker == by_hand
        assert not broker.dead


@given(failing, st.integers(0, 9))
def test_a_plan_with_a_failing_step_fails_and_names_it(plan, data):
    with fw_testing.fake_broker() as broker:
        declare()
        result = run_plan(plan, data)
        broker.drain()
        ran.clear()
        try:
            expected = interpret(plan, data, FUNCTIONS)
        except GiveUp:
            with pytest.raises(TaskFailed, match="it is three"):
                result.get(timeout=0)
            assert broker.dead
        else:
            assert result.get(timeout=0) == expected
