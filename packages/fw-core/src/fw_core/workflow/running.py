"""Starts a workflow, and sends what comes next in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fw_core.broker.compose import Place, Wanted, compose
from fw_core.broker.follow_up import is_follow_up
from fw_core.broker.holding import Outgoing, holder
from fw_core.broker.task import FrameworkTask
from fw_core.call.ids import new_id
from fw_core.call.plain import show
from fw_core.declare.registry import TASK_REGISTRY
from fw_core.errors import NotSent, ResultStoreError, WorkflowError
from fw_core.headers import CHECK, PLAN
from fw_core.results.waiting import REAL_CLOCK
from fw_core.workflow import history, own
from fw_core.workflow.checking import check_plan, last_steps
from fw_core.workflow.links import GO_ON, Sending, links_of, start
from fw_core.workflow.own_id import WHAT_IT_IS, is_own_id
from fw_core.workflow.plan import Plan
from fw_core.workflow.result import WorkflowResult

if TYPE_CHECKING:
    from fw_core.broker.app import App

own.register()


def run_plan(plan: Plan, data: Any, *, workflow_id: str | None = None) -> WorkflowResult:
    """Check a plan as a whole, note the workflow in the database, and start it.

    Args:
        plan: The plan.
        data: What its first step gets.
        workflow_id: Its id, if whoever starts it has one: of that there is one workflow, however
            often it is started.

    Returns:
        The result of the whole.

    Raises:
        PlanError: it has mistakes; nothing was sent.
        WorkflowError: its id is none.
        ResultStoreError: it could not be noted; nothing was sent.
        NotSent, MaybeSent: its first steps are not known to be queued.
    """
    from fw_core.client import current_app

    app = current_app()
    check_plan(plan, data, tasks=TASK_REGISTRY, queues=app.queues)
    return start_workflow(app, plan, data, workflow_id)


def start_workflow(
    app: App, plan: Plan, data: Any, workflow_id: str | None = None
) -> WorkflowResult:
    """Note and start a plan that has been checked; see :func:`run_plan`.

    One that waits for a transaction is noted when its first step runs.
    """
    own_id = new_id() if workflow_id is None else _checked_id(workflow_id)
    if holder() is not None:  # it may never be: who runs its first step notes it
        if workflow_id is None or not history.was_sent(app, own_id):
            send_first(app, own_id, plan, data, headers={PLAN: history.plan_text(plan)})
        return result_of(app, own_id, plan)
    is_new = history.note(app, own_id, plan, data)
    if is_new or not history.was_sent(app, own_id):
        try:
            send_first(app, own_id, plan, data, check=not is_new)
        except NotSent as error:
            if is_new and not error.confirmed and not error.in_doubt:
                history.forget(app, own_id)
            raise
        with suppress(ResultStoreError):  # it is on its way; at worst somebody sends it again
            history.mark_sent(app, own_id)
    return result_of(app, own_id, plan)


def _checked_id(workflow_id: Any) -> str:
    if is_own_id(workflow_id):
        return workflow_id
    raise WorkflowError(
        f"A workflow's id is {WHAT_IT_IS}, got {show(workflow_id)}.",
        "Its state and its result are kept and found under it.",
        'execute_dynamic_workflow(["task1", "task2"], data, id="order-17")',
    )


def send_first(
    app: App,
    workflow_id: str,
    plan: Plan,
    data: Any,
    *,
    check: bool = False,
    headers: Mapping[str, Any] | None = None,
) -> None:
    """Send the first steps of a workflow.

    Args:
        app: The app.
        workflow_id: Its id.
        plan: Its plan.
        data: What they get.
        check: Whether they may have been sent before.
        headers: More headers for the first of them.

    Raises:
        NotSent, MaybeSent: not all are known to be queued.
    """
    first, *others = start(links_of(plan, TASK_REGISTRY), data, workflow_id)
    if headers:
        options = first.link["options"]
        own = {**options, "headers": {**options.get("headers", {}), **headers}}
        first = replace(first, link={**first.link, "options": own})
    send_all(app, [first, *others], check=check)


def send_all(
    app: App, sendings: Sequence[Sending], *, check: bool = False, parent_id: str | None = None
) -> None:
    """Send the next steps of a workflow, all in one confirmed round.

    Args:
        app: The app.
        sendings: The steps.
        check: Whether they may have been sent before, so that whoever gets one is to look first.
        parent_id: The call that they follow.

    Raises:
        NotSent, MaybeSent: not all are known to be queued.
    """
    calls = {sending.task_id: str(sending.link["task"]) for sending in sendings}
    if len(sendings) == 1:
        _send(app, sendings[0], check=check, parent_id=parent_id)
        return
    with app.producer_or_acquire() as producer, app.amqp.one_round(producer, calls):
        for sending in sendings:
            task = app.tasks.get(sending.link["task"])
            if is_follow_up() and isinstance(task, FrameworkTask):
                message = _composed(task, sending, check=check, parent_id=parent_id)
                app.amqp.send(producer, message)
            else:
                _send(app, sending, check=check, parent_id=parent_id, producer=producer)


def _composed(
    task: FrameworkTask, sending: Sending, *, check: bool, parent_id: str | None
) -> Outgoing:
    """The message of a step that was checked when its workflow began, quicker than Celery's."""
    options = sending.link["options"]
    headers = {**options.get("headers", {}), **({CHECK: True} if check else {})}
    return compose(
        task,
        (sending.value,),
        sending.link["kwargs"],
        task_id=sending.task_id,
        wanted=Wanted(queue=options["queue"], priority=options.get("priority"), headers=headers),
        place=Place(
            root_id=options["root_id"],
            parent_id=parent_id,
            group_id=options.get("group_id"),
            group_index=options.get("group_index"),
            chain=list(reversed(sending.rest)) or None,
            chord=options.get("chord"),
        ),
    )


def _send(
    app: App, sending: Sending, *, check: bool, parent_id: str | None, producer: Any = None
) -> None:
    from celery.canvas import Signature

    signature: Any = Signature(dict(sending.link), app=app)
    options = dict(sending.link["options"])
    if check:
        options["headers"] = {**options.get("headers", {}), CHECK: True}
    if sending.rest:
        options["chain"] = list(reversed(sending.rest))
    if parent_id is not None:
        options["parent_id"] = parent_id
    if producer is not None:
        options["producer"] = producer
    signature.apply_async((sending.value,), **options)


def result_of(app: App, workflow_id: str, plan: Plan) -> WorkflowResult:
    """The result of a workflow of this plan."""
    last = [step for _, step in last_steps(plan)]
    name = last[0].task if len(last) == 1 else GO_ON
    task = TASK_REGISTRY[name]
    return WorkflowResult(
        workflow_id,
        task_name=name,
        app=app,
        decode=task.arguments.read_result,
        clock=app.result_clock or REAL_CLOCK,
    )
