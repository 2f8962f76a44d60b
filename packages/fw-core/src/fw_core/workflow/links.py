"""A plan as links: what is sent first, and what each message takes along of the rest.

A workflow needs nobody who runs it. Each message carries the links that follow it, as a Celery
message does (``chain``), and a member of a join what waits for it (``chord``). A part whose shape
only the result before it tells, or that would multiply the rest, travels as one link; it is opened
where that result is known: by the worker whose step has just ended, or by whoever starts.

All here are plain values, so whoever opens a part twice, because a message came twice, makes the
same messages: an id follows from the workflow and the place in it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fw_core.errors import ConditionError
from fw_core.headers import RETRIES, STEP
from fw_core.workflow.plan import (
    MOST_BRANCHES,
    Choose,
    Each,
    Parallel,
    Plan,
    Sequence,
    Step,
    join_path,
    parts_of,
)
from fw_core.workflow.reading import condition_to_data, read_condition

if TYPE_CHECKING:
    from fw_core.declare.handle import TaskHandle

GO_ON = "fw.go_on"
"""The framework's own step: it returns what it gets, where something has to arrive."""

REFUSE = "fw.refuse"
"""The framework's own step that fails with a reason, where a result cannot be gone on with."""

PART = "fw.part"
"""In place of a task's name: a part that is to be opened."""

_MEMBERSHIP = frozenset(("chord", "group_id", "group_index", "chain"))
"""What makes a step a member of a join, or says what follows it."""

Link = dict[str, Any]
"""A step or a part: what Celery calls a signature, as plain data."""


@dataclass(frozen=True, slots=True)
class Sending:
    """A message to be sent now.

    Attributes:
        link: The step.
        value: What it gets first.
        rest: The links that follow it, the next one first.
    """

    link: Link
    value: Any
    rest: tuple[Link, ...] = ()

    @property
    def task_id(self) -> str:
        """The id of its call."""
        task_id: str = self.link["options"]["task_id"]
        return task_id


def links_of(plan: Plan, tasks: Mapping[str, TaskHandle[..., Any]]) -> list[Link]:
    """The links of a plan, without ids; the last one is always a step.

    Args:
        plan: A plan that has been checked.
        tasks: The tasks by name: their queues travel along, for who opens a part may not know them.
    """
    return _landed(_links(plan, "", tasks))


def start(links: list[Link], data: Any, workflow_id: str) -> list[Sending]:
    """What is sent first. The last call has the workflow's own id: its result is the whole's.

    Args:
        links: Those of the plan.
        data: What the first step gets.
        workflow_id: Everything's id follows from it.
    """
    own = placed(links, "", workflow_id)
    own[-1]["options"]["task_id"] = workflow_id
    return begin(own, data)


def begin(links: list[Link], value: Any) -> list[Sending]:
    """What is sent when ``value`` has reached the first of these links."""
    first, *rest = links
    if first["task"] == PART:
        return _opened(first, rest, value)
    return [Sending(first, value, tuple(rest))]


def is_part(link: Mapping[str, Any]) -> bool:
    """Whether a link is to be opened, and is no task."""
    return bool(link["task"] == PART)


def placed(links: list[Link], path: str, workflow_id: str) -> list[Link]:
    """Links with the ids and paths that they have at a place of a workflow."""
    return [_placed(link, path, workflow_id) for link in links]


def id_at(workflow_id: str, path: str) -> str:
    """The id of the call at a place of a workflow.

    >>> id_at("a", "steps[0]") == id_at("a", "steps[0]") != id_at("a", "steps[1]")
    True
    """
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{workflow_id}:{path}"))


def _links(plan: Plan, path: str, tasks: Mapping[str, TaskHandle[..., Any]]) -> list[Link]:
    def inside(part: Plan) -> list[Link]:
        return _landed(_links(part, "", tasks))

    match plan:
        case Step():
            return [_step(plan, path, tasks[plan.task])]
        case Sequence():
            parts = [(join_path(path, place), part) for place, part in parts_of(plan)]
            return [link for where, part in parts for link in _links(part, where, tasks)]
        case Parallel(branches=branches):
            return [_part(path, parallel=[inside(branch) for branch in branches])]
        case Each(body=body):
            return [_part(path, each=inside(body))]
        case Choose(condition=asked, then=then, otherwise=otherwise):
            other = None if otherwise is None else inside(otherwise)
            return [_part(path, asked=condition_to_data(asked), then=inside(then), other=other)]


def _step(step: Step, path: str, task: TaskHandle[..., Any]) -> Link:
    options: dict[str, Any] = {"queue": step.queue or task.spec.queue}
    if task.spec.priority is not None:
        options["priority"] = task.spec.priority
    if step.retries is not None:
        options["headers"] = {RETRIES: step.retries}
    return _link(step.task, path, task.arguments.encode_step(step.args), options)


def _part(path: str, **what: Any) -> Link:
    return _link(PART, path, what, {})


def _link(task: str, path: str, kwargs: Mapping[str, Any], options: dict[str, Any]) -> Link:
    return {
        "task": task,
        "args": [],
        "kwargs": dict(kwargs),
        "options": options,
        "subtask_type": None,
        "immutable": False,
        "fw_path": path,
    }


def _landed(links: list[Link]) -> list[Link]:
    """A part is followed by a step, which gets what comes out of it."""
    landed: list[Link] = []
    for number, link in enumerate(links):
        landed.append(link)
        is_last = number + 1 == len(links)
        if is_part(link) and (is_last or is_part(links[number + 1])):
            where = join_path(link["fw_path"], "result")
            landed.append(_link(GO_ON, where, {}, {"queue": _queue_of(link)}))
    return landed


def _queue_of(link: Link) -> str:
    """A queue that somebody takes from: that of the last step inside a part."""
    while is_part(link):
        what = link["kwargs"]
        inner = what.get("each") or what.get("then") or what["parallel"][0]
        link = inner[-1]
    queue: str = link["options"]["queue"]
    return queue


def _placed(link: Link, path: str, workflow_id: str) -> Link:
    where = join_path(path, link["fw_path"])
    options = {
        **link["options"],
        "task_id": id_at(workflow_id, where),
        "root_id": workflow_id,
        "headers": {**link["options"].get("headers", {}), STEP: where},
    }
    kwargs = link["kwargs"]
    if is_part(link):
        kwargs = {**kwargs, "workflow": workflow_id}
    return {**link, "options": options, "kwargs": kwargs, "fw_path": where}


def _opened(part: Link, rest: list[Link], value: Any) -> list[Sending]:
    what, path = part["kwargs"], part["fw_path"]
    if "asked" in what:
        return _chosen(part, rest, value)
    if "each" in what:
        if not isinstance(value, list):
            return _refused(rest, path, f"runs over a list, and got {type(value).__name__}")
        if len(value) > MOST_BRANCHES:
            return _refused(rest, path, f"got {len(value):,} items, more than {MOST_BRANCHES:,}")
        members = [(f"each[{i}]", what["each"], item) for i, item in enumerate(value)]
    else:
        members = [(f"parallel[{i}]", links, value) for i, links in enumerate(what["parallel"])]
    if not members:
        return begin(rest, [])
    return _joined(part, rest, members)


def _joined(
    part: Link, rest: list[Link], members: list[tuple[str, list[Link], Any]]
) -> list[Sending]:
    workflow_id, path = part["kwargs"]["workflow"], part["fw_path"]
    landing, *after = rest
    waiting = {
        **landing,
        "options": {**landing["options"], "chain": list(reversed(after)) or None},
        "chord_size": len(members),
    }
    join_id = id_at(workflow_id, f"{path}:join")
    sendings: list[Sending] = []
    for number, (place, links, value) in enumerate(members):
        own = placed(links, join_path(path, place), workflow_id)
        membership = {"chord": waiting, "group_id": join_id, "group_index": number}
        own[-1] = {**own[-1], "options": {**own[-1]["options"], **membership}}
        sendings += begin(own, value)
    return sendings


def _chosen(part: Link, rest: list[Link], value: Any) -> list[Sending]:
    what, path = part["kwargs"], part["fw_path"]
    try:
        holds = read_condition(what["asked"]).holds(value)
    except ConditionError as error:
        return _refused(rest, path, error.what)
    links = what["then"] if holds else what["other"]
    if links is None:
        return begin(rest, value)
    place = join_path(path, "then" if holds else "else")
    return begin([*placed(links, place, what["workflow"]), *rest], value)


def _refused(rest: list[Link], path: str, reason: str) -> list[Sending]:
    """A step that fails with the reason, in place of the part: what follows fails with it."""
    landing = rest[0]
    options = {**landing["options"], "task_id": f"{landing['options']['task_id']}-refused"}
    kept = {key: value for key, value in options.items() if key not in _MEMBERSHIP}
    link = {**landing, "task": REFUSE, "kwargs": {"reason": f"{path}: {reason}"}, "options": kept}
    return [Sending(link, None, tuple(rest))]
