"""How a workflow stands at each place of its plan: what all drawings of it show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fw_core.workflow import plan as plans
from fw_core.workflow.links import REFUSE
from fw_core.workflow.own import PREFIX
from fw_core.workflow.plan import Choose, Each, Parallel, Plan, Step, join_path, parts_of
from fw_core.workflow.state import State, StepState, WorkflowState, place_in_plan

NOT_RUN, NOT_TAKEN, NO_ITEMS, NOT_KNOWN = "not run", "not taken", "no items", "not known"
"""In place of "waiting", of what will not begin: one before it failed or it was cancelled, the
other branch was taken, the list was empty, it ran and no longer is kept."""

_BY_ATTENTION = (
    State.FAILED, State.RETRYING, State.RUNNING, State.CANCELLED, State.WAITING, State.SUCCEEDED,
)  # fmt: skip
_NOT_SUCCEEDED = (*map(str, _BY_ATTENTION[:4]), NOT_RUN, str(State.WAITING))


@dataclass(frozen=True, slots=True)
class Standing:
    """How one step of the plan stands.

    Attributes:
        state: What it is at; of many items, what needs most attention.
        word: That in a word, or in numbers: ``3 of 7 succeeded, 1 failed``.
        runs: What has been run of it, item by item; at most one outside of an ``Each``.
        is_each: Whether it runs once for each item of a list.
    """

    state: State
    word: str
    runs: tuple[StepState, ...] = ()
    is_each: bool = False

    @property
    def expected(self) -> int:
        """How many runs of it are known to belong to the whole."""
        return len(self.runs) or int(self.word not in {NOT_TAKEN, NO_ITEMS})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A result with which the workflow could not go on.

    Attributes:
        path: The part that could not, numbers of items included.
        reason: Why not.
        landing: Where the framework's own step failed in its place.
    """

    path: str
    reason: str
    landing: str


@dataclass(frozen=True, slots=True)
class _Around:
    """What is known of a step by what is around it."""

    runs: Mapping[str, Sequence[StepState]]
    begun: frozenset[str]
    is_over: bool
    is_past: bool
    is_each: bool = False
    may_be_chosen: bool = False
    is_passed_by: bool = False


def standings(workflow: WorkflowState) -> dict[str, Standing]:
    """How each step of the plan stands, by its place; the framework's own steps are left out."""
    runs: dict[str, list[StepState]] = {}
    for step in workflow.steps:
        if not step.task.startswith(PREFIX):
            runs.setdefault(place_in_plan(step.path), []).append(step)
    around = _Around(
        runs=runs,
        begun=frozenset(_begun(workflow.steps)),
        is_over=workflow.state.is_final,
        is_past=workflow.state is State.SUCCEEDED,
    )
    return dict(_standings(workflow.plan, "", around))


def refusals(workflow: WorkflowState) -> dict[str, list[Refusal]]:
    """Which parts of the plan could not go on with what they got, by their places.

    A list was none, or a condition could not be asked. The framework's own step that fails in
    place of the part says in its error which one it was.
    """
    found: dict[str, list[Refusal]] = {}
    for step in workflow.steps:
        if step.task == REFUSE and step.state is State.FAILED and step.error is not None:
            path, _, reason = step.error.message.partition(": ")
            refusal = Refusal(path, reason, step.path)
            found.setdefault(place_in_plan(path), []).append(refusal)
    return found


def state_of_run(step: StepState) -> State:
    """What a step is at: one that was given up with another one has not failed itself."""
    return State.WAITING if _is_given_up(step) else step.state


def word_of_run(step: StepState) -> str:
    """The same in a word."""
    return NOT_RUN if _is_given_up(step) else str(step.state)


def counted(words: Iterable[str]) -> list[str]:
    """How many are in each state, those that need attention first.

    >>> counted(["running", "failed", "succeeded", "running"])
    ['1 failed', '2 running']
    """
    counts = Counter(words)
    return [f"{counts[word]} {word}" for word in _NOT_SUCCEEDED if word in counts]


def asked(choice: Choose) -> str:
    """The condition of a choice in words.

    >>> asked(Choose({"field": "n", "at_least": 3}, "a"))
    'if n at_least 3'
    """
    return one_line(f"if {choice.condition}")


def name_of(step: Step) -> str:
    """What a step is called, on one line."""
    return one_line(step.name or step.task)


def one_line(text: object) -> str:
    r"""A text on one line, without what a terminal or XML would take for more than text.

    >>> one_line("no\n length \x1b[31m of it")
    'no length ?[31m of it'
    """
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(text).split()))


def _is_given_up(step: StepState) -> bool:
    return step.state is State.FAILED and not step.attempts


def _begun(steps: Iterable[StepState]) -> Iterator[str]:
    """The places at which, or inside of which, something has begun."""
    for step in steps:
        if _is_given_up(step) or step.task == REFUSE:
            continue
        place = place_in_plan(step.path)
        while place:
            yield place
            place = place.rpartition(".")[0]


def _standings(part: Plan, path: str, around: _Around) -> Iterator[tuple[str, Standing]]:
    inner = [(join_path(path, place), each) for place, each in parts_of(part)]
    if not around.is_each and join_path(path, "result") in around.begun:
        around = replace(around, is_past=True)
    match part:
        case Step():
            yield path, _standing(around.runs.get(path, ()), around)
        case plans.Sequence():
            # Of an item that is further on than others nothing follows for those.
            for where, each in reversed(inner):
                yield from _standings(each, where, around)
                if not around.is_each and where in around.begun:
                    around = replace(around, is_past=True)
        case Choose():
            taken = [where for where, _ in inner if where in around.begun]
            for where, each in inner:
                of_branch = replace(
                    around,
                    may_be_chosen=where not in taken,
                    is_passed_by=around.is_passed_by
                    or (bool(taken) and where not in taken and not around.is_each),
                )
                yield from _standings(each, where, of_branch)
        case Parallel() | Each():
            within = replace(around, is_each=around.is_each or isinstance(part, Each))
            for where, each in inner:
                yield from _standings(each, where, within)


def _standing(runs: Sequence[StepState], around: _Around) -> Standing:
    if not runs:
        return Standing(State.WAITING, _why_not(around), (), around.is_each)
    if not around.is_each:
        return Standing(state_of_run(runs[-1]), word_of_run(runs[-1]), tuple(runs[-1:]))
    states = {state_of_run(run) for run in runs}
    state = next(each for each in _BY_ATTENTION if each in states)
    words = [word_of_run(run) for run in runs]
    said = [f"{words.count(State.SUCCEEDED)} of {len(runs)} succeeded", *counted(words)]
    if around.is_past or around.is_over:
        return Standing(state, ", ".join(said), tuple(runs), is_each=True)
    if state is State.SUCCEEDED:  # more items may come: only those that have begun are known
        state = State.RUNNING
    return Standing(state, f"{', '.join(said)} so far", tuple(runs), is_each=True)


def _why_not(around: _Around) -> str:
    if around.is_passed_by or (around.is_past and around.may_be_chosen):
        return NOT_TAKEN
    if around.is_past:
        return NO_ITEMS if around.is_each else NOT_KNOWN
    return NOT_RUN if around.is_over else str(State.WAITING)
