"""Checks a plan as a whole, before anything is sent: every mistake is named with its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fw_core.errors import (
    CallError,
    ConditionError,
    FrameworkError,
    PlanError,
    PolicyError,
    Problem,
    UnknownQueueError,
    UnknownTaskError,
)
from fw_core.errors.near_names import did_you_mean, nearest
from fw_core.workflow.flows import ANYTHING, Shape, each_of, fits, list_of, shape_of
from fw_core.workflow.plan import (
    MOST_BRANCHES,
    MOST_DEPTH,
    MOST_STEPS,
    Choose,
    Each,
    Parallel,
    Plan,
    Sequence,
    Step,
    join_path,
    parts_of,
    steps_in,
)

if TYPE_CHECKING:
    from fw_core.declare.handle import TaskHandle


def check_plan(
    plan: Plan,
    data: Any,
    *,
    tasks: Mapping[str, TaskHandle[..., Any]],
    queues: Collection[str],
) -> None:
    """Find every mistake of a plan that can be known before it runs.

    Names, queues and arguments; that each step can take what the one before it returns; that the
    results that a join collects are kept; that nothing is larger than what can be run.

    Args:
        plan: The plan.
        data: What its first step gets.
        tasks: The known tasks by name.
        queues: The queues that workers declare.

    Raises:
        PlanError: there are mistakes.
    """
    check = _Check(tasks, queues)
    check.size(plan)
    if not check.problems:
        check.names(plan)
        check.follow(plan, "", _Given(ANYTHING, is_data=True, data=data))
    if check.problems:
        raise PlanError(check.problems)


@dataclass(frozen=True, slots=True)
class _Given:
    """What reaches a part of a plan.

    Attributes:
        shape: What JSON it is.
        source: Which step returns it, for people.
        is_data: Whether it is the workflow's own data, which can be looked at.
        data: That.
    """

    shape: Shape
    source: str = ""
    is_data: bool = False
    data: Any = None


@dataclass(slots=True)
class _Check:
    """One check, which goes on after a mistake."""

    tasks: Mapping[str, TaskHandle[..., Any]]
    queues: Collection[str]
    problems: list[Problem] = field(default_factory=list)
    _shapes: dict[str, tuple[Shape, Shape]] = field(default_factory=dict)

    def size(self, plan: Plan) -> None:
        """How deep, how wide, how many."""
        steps, waiting = 0, [("", plan, 1)]
        while waiting:
            path, part, depth = waiting.pop()
            inner = parts_of(part)
            steps += isinstance(part, Step)
            if depth > MOST_DEPTH:
                self._add(path, f"it is nested deeper than {MOST_DEPTH}", "write it flatter.")
                return
            if isinstance(part, (Sequence, Parallel)) and not inner:
                self._add(path, "there is no step in it", 'Sequence("download", "resize")')
            if len(inner) > MOST_BRANCHES:
                self._add(
                    path,
                    f"it has {len(inner):,} parts, more than {MOST_BRANCHES:,}",
                    '{"each": ...} over parts of a list.',
                )
            waiting += [(join_path(path, place), each, depth + 1) for place, each in inner]
        if steps > MOST_STEPS:
            self._add("", f"it has {steps:,} steps, more than {MOST_STEPS:,}", '{"each": ...}')

    def names(self, plan: Plan) -> None:
        """What a step is called is its own."""
        count = Counter(step.name for _, step in steps_in(plan) if step.name)
        for path, step in steps_in(plan):
            if step.name and count[step.name] > 1:
                self._add(path, f"another step is called {step.name!r} too", '"name": "another"')

    def follow(self, plan: Plan, path: str, given: _Given) -> _Given:
        """Go through a plan with what reaches it; returns what leaves it."""
        match plan:
            case Step():
                return self._step(plan, path, given)
            case Sequence():
                for place, step in parts_of(plan):
                    given = self.follow(step, join_path(path, place), given)
                return given
            case Parallel():
                return self._join(plan, path, given)
            case Each(body=body):
                return self._each(body, path, given)
            case Choose():
                return self._choose(plan, path, given)

    def _step(self, step: Step, path: str, given: _Given) -> _Given:
        task = self._task(step, path)
        if step.queue is not None and step.queue not in self.queues:
            error = UnknownQueueError(queue=step.queue, known=self.queues, user="The step")
            self._add(path, error)
        if task is None:
            return _Given(ANYTHING)
        if step.retries is not None:
            try:
                replace(task.spec.policy, retries=step.retries)
            except PolicyError as error:
                self._add(path, error)
        takes, returns = self._shapes_of(task)
        source = f"{path or 'the step'} ({step.task})"
        if task.arguments.first is None:
            what = f"{step.task} takes {task.arguments}: no place for the result of the step before"
            self._add(path, what, f"def {task.__name__}(result): ...")
            return _Given(returns, source)
        if self._has_unknown(step, task, path):
            return _Given(returns, source)
        try:
            if given.is_data:
                task.arguments.encode((given.data,), step.args)
            else:
                task.arguments.encode_step(step.args)
                self._fits(step, task, path, given, takes)
        except CallError as error:
            self._add(path, error)
        return _Given(returns, source)

    def _has_unknown(self, step: Step, task: TaskHandle[..., Any], path: str) -> bool:
        unknown = task.arguments.unknown(step.args)
        for name in unknown:
            matches = nearest(name, task.arguments.names)
            what = f"{step.task} has no argument {name!r}; it takes {task.arguments}."
            fix = f'"args": {{"{matches[0]}": ...}}' if matches else f"leave {name!r} out."
            self._add(path, f"{what}{did_you_mean(matches)}".rstrip("."), fix)
        return bool(unknown)

    def _fits(
        self, step: Step, task: TaskHandle[..., Any], path: str, given: _Given, takes: Shape
    ) -> None:
        if fits(given.shape, takes):
            return
        name, _ = task.arguments.first or ("", None)
        self._add(
            path,
            f"{given.source} gives {given.shape.shown}, and {step.task} takes "
            f"{name}: {takes.shown}",
            f"let {step.task} take {given.shape.shown}, or put a step between the two.",
        )

    def _task(self, step: Step, path: str) -> TaskHandle[..., Any] | None:
        try:
            return self.tasks[step.task]
        except KeyError:
            self._add(path, UnknownTaskError(name=step.task, known=self.tasks))
            return None

    def _join(self, plan: Parallel, path: str, given: _Given) -> _Given:
        left: list[Shape] = []
        for place, branch in parts_of(plan):
            where = join_path(path, place)
            left.append(self.follow(branch, where, given).shape)
            self._keeps(branch, where)
        return _Given(list_of(left), f"the join of {path or 'the plan'}")

    def _each(self, body: Plan, path: str, given: _Given) -> _Given:
        where = join_path(path, "each")
        if given.is_data:
            if not isinstance(given.data, (list, tuple)):
                self._add(path, "'each' runs over a list, and the data is none", "data=[1, 2, 3]")
            elif len(given.data) > MOST_BRANCHES:
                what = f"the data has {len(given.data):,} items, more than {MOST_BRANCHES:,}"
                self._add(path, what, "several workflows, each for a part of the list.")
        elif given.shape.kinds is not None and "list" not in given.shape.kinds:
            self._add(
                path,
                f"'each' runs over a list, and {given.source} gives {given.shape.shown}",
                f"let {given.source} return a list.",
            )
        source = f"each item of what {given.source} gives"
        left = self.follow(body, where, _Given(given.shape.item or ANYTHING, source))
        if given.is_data and isinstance(given.data, (list, tuple)):
            for item in given.data:
                if self.problems:
                    break
                self.follow(body, where, _Given(ANYTHING, is_data=True, data=item))
        self._keeps(body, where)
        return _Given(list_of([left.shape]), f"the join of {where}")

    def _choose(self, plan: Choose, path: str, given: _Given) -> _Given:
        asked = plan.condition
        kinds = given.shape.kinds
        if not given.is_data and asked.field and kinds is not None and not kinds & {"dict", "list"}:
            self._add(
                join_path(path, "if"),
                f"{given.source} gives {given.shape.shown}, which has no field {asked.field!r}",
                '{"if": {"equals": ...}} asks the result itself.',
            )
        goes = self._goes(plan, path, given) if given.is_data else None
        left = []
        for place, each in parts_of(plan):
            is_taken = goes is None or place == goes
            left.append(
                self.follow(each, join_path(path, place), given if is_taken else _Given(ANYTHING))
            )
        if plan.otherwise is None:
            left.append(given)
        shape = each_of(each.shape for each in left)
        return _Given(shape, " or ".join(dict.fromkeys(each.source or "the data" for each in left)))

    def _goes(self, plan: Choose, path: str, given: _Given) -> str | None:
        """Which way the workflow's data goes; None if that cannot be asked."""
        try:
            return "then" if plan.condition.holds(given.data) else "else"
        except ConditionError as error:
            self._add(join_path(path, "if"), error)
            return None

    def _keeps(self, branch: Plan, path: str) -> None:
        """A join collects the results of these; one that is thrown away it would wait for."""
        for where, step in last_steps(branch, path):
            task = self.tasks.get(step.task) if step.task in self.tasks else None
            if task is not None and task.spec.ignore_result:
                self._add(
                    where,
                    f"{step.task} throws its result away (ignore_result=True), and a join waits "
                    "for it",
                    f"@task_framework without ignore_result for {step.task}.",
                )

    def _shapes_of(self, task: TaskHandle[..., Any]) -> tuple[Shape, Shape]:
        """What it takes first, and what it returns."""
        name = task.spec.name
        if name not in self._shapes:
            first = task.arguments.first
            taken = ANYTHING if first is None else shape_of(first[1], is_read=True)
            self._shapes[name] = taken, shape_of(task.arguments.returned)
        return self._shapes[name]

    def _add(self, path: str, what: str | FrameworkError, fix: str = "") -> None:
        if isinstance(what, FrameworkError):
            self.problems.append(Problem(path, what.what.rstrip("."), what.fix, what))
        else:
            self.problems.append(Problem(path, what, fix))


def last_steps(plan: Plan, path: str = "") -> Iterable[tuple[str, Step]]:
    """The steps whose result is that of the plan, with their paths.

    >>> list(last_steps(Sequence("clean", Choose({"equals": 1}, "shout", ["count", "sum"]))))
    [('steps[1].then', Step('shout')), ('steps[1].else.steps[1]', Step('sum'))]
    """
    if isinstance(plan, Step):
        yield path, plan
        return
    parts = parts_of(plan)
    if isinstance(plan, (Parallel, Each)):
        return  # its members are looked at by its own join
    for place, part in parts[-1:] if isinstance(plan, Sequence) else parts:
        yield from last_steps(part, join_path(path, place))
