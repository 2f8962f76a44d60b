"""Random policies, failures and workflows: the fake against a model in plain Python."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from celery import chain, chord, group
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenario_recorder import Row, recording
from scenario_story import difference, story

from fw_core import GiveUp, RetryLater, task_framework
from fw_testing.bench import bench

from . import reference_model
from .recorded import dead_letters, results_of
from .reference_model import (
    ERROR,
    GIVE_UP,
    LATER,
    LATER_SECONDS,
    MOST_LATERS,
    REFUSED,
    Chain,
    Chord,
    Group,
    Model,
    Part,
    Policy,
    Step,
)

waits = st.floats(0.1, 1e6).map(lambda seconds: round(seconds, 1))
policies = st.builds(
    Policy,
    retries=st.integers(0, 6),
    backoff=st.one_of(
        st.integers(1, 50), st.floats(1, 10), st.lists(waits, min_size=1, max_size=4).map(tuple)
    ),
    max_delay=st.floats(0.5, 1e5).map(lambda seconds: round(seconds, 1)),
    jitter=st.sampled_from([0, 0.1, 1]),
)
plans = st.lists(st.sampled_from([ERROR, ERROR, ERROR, LATER, REFUSED, GIVE_UP]), max_size=6).map(
    tuple
)
steps = st.builds(Step, name=st.just(""), policy=policies, plan=plans, keeps_result=st.booleans())
calm = st.builds(Step, name=st.just(""), policy=policies, plan=st.sampled_from([(), (LATER,)]))
"""Steps that succeed: or hardly any workflow would come to its end."""
any_step = st.one_of(calm, calm, steps)
members = st.lists(
    any_step | st.lists(any_step, min_size=2, max_size=2).map(lambda two: Chain(tuple(two))),
    min_size=2,
    max_size=3,
).map(tuple)
chords = st.builds(Chord, members=members, body=any_step)
groups = st.builds(Group, members=members)


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    """Steps and chords one after the other, and perhaps a group at the end."""
    parts = [draw(any_step), *draw(st.lists(any_step | chords, min_size=1, max_size=3))]
    if isinstance(parts[-1], Step) and draw(st.booleans()):
        parts.append(draw(groups))
    return Chain(tuple(parts))


programs = st.one_of(steps, groups, chords, chains())


@given(program=programs)
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
def test_the_fake_does_what_the_model_says(program: Part):
    program = _named(program, (f"t{number}" for number in itertools.count()))
    model = Model()
    model.run(program, 1)
    found, seconds = _play(program)
    different = difference("\n".join(model.blocks), found)
    if different:
        pytest.fail(f"{program}\n{different}", pytrace=False)
    if isinstance(program, Step):  # of several tasks some wait at the same time
        assert seconds == pytest.approx(model.seconds, abs=0.001)


def test_the_model_s_waits_are_those_of_the_documentation():
    assert [Policy(9, 3, 3600, 0.1).wait(n) for n in (1, 2, 3, 8)] == [3, 9, 27, 3600]
    assert [Policy(9, [1, 10, 60], 30, 0).wait(n) for n in (1, 2, 3, 4)] == [1, 10, 30, 30]


def test_a_fake_that_counts_a_retry_too_many_is_found_out(monkeypatch: pytest.MonkeyPatch):
    """The model is not the fake's own code."""
    step = Step("t0", Policy(1, 3, 60, 0), (ERROR,) * 3)
    model = Model()
    model.run(step, 1)
    assert difference("\n".join(model.blocks), _play(step)[0]) == ""
    monkeypatch.setattr(
        "fw_core.attempt.decide._spent", lambda policy: "the last of 3 attempts failed"
    )
    assert difference("\n".join(model.blocks), _play(step)[0])


def _named(part: Any, names: Iterator[str]) -> Any:
    """The same program with a name for each step."""
    match part:
        case Step():
            return Step(next(names), part.policy, part.plan, part.keeps_result)
        case Chain(parts):
            return Chain(tuple(_named(each, names) for each in parts))
        case Group(inner):
            return Group(tuple(_named(each, names) for each in inner))
        case Chord(inner, body):
            return Chord(tuple(_named(each, names) for each in inner), _named(body, names))


def _play(program: Part) -> tuple[str, float]:
    """What the fake tells of a program, and how much virtual time it took."""
    rows: list[Row] = []
    with bench() as world, recording(rows.append):
        began = world.clock.timestamp()
        _signature(program, 1).apply_async()
        world.rest()
        took = world.clock.timestamp() - began
        return story(rows, results_of(world.app, rows), dead_letters(world.app)), took


def _signature(part: Part, *args: int) -> Any:
    """A program as Celery's canvas."""
    match part:
        case Step():
            return _task(part).s(*args)
        case Chain(parts):
            first, *rest = parts
            return chain(_signature(first, *args), *(_signature(each) for each in rest))
        case Group(inner):
            return group([_signature(each, *args) for each in inner])
        case Chord(inner, body):
            return chord([_signature(each, *args) for each in inner], _signature(body))


def _task(step: Step) -> Any:
    policy, plan = step.policy, iter(step.plan)

    @task_framework(
        name=step.name,
        retries=policy.retries,
        backoff=list(policy.backoff) if isinstance(policy.backoff, tuple) else policy.backoff,
        max_delay=policy.max_delay,
        jitter=policy.jitter,
        give_up_on=ValueError,
        ignore_result=not step.keeps_result,
    )
    def body(value: Any) -> int:
        match next(plan, None):
            case reference_model.ERROR:
                raise ConnectionError("no")
            case reference_model.REFUSED:
                raise ValueError("wrong")
            case reference_model.GIVE_UP:
                raise GiveUp("enough")
            case reference_model.LATER:
                raise RetryLater(LATER_SECONDS, max_times=MOST_LATERS)
        return (sum(value) if isinstance(value, list) else value) + 1

    return body
