"""Starts a workflow, and sends what comes next in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fw_core.call.ids import new_id
from fw_core.declare.registry import TASK_REGISTRY
from fw_core.headers import CHECK
from fw_core.workflow import own
from fw_core.workflow.checking import check_plan, last_steps
from fw_core.workflow.links import GO_ON, Sending, links_of, start
from fw_core.workflow.plan import Plan

if TYPE_CHECKING:
    from fw_core.broker.app import App
    from fw_core.results.handle import TaskResult

own.register()


def run_plan(plan: Plan, data: Any) -> TaskResult[Any]:
    """Check a plan as a whole and start it.

    Args:
        plan: The plan.
        data: What its first step gets.

    Returns:
        The result of the whole.

    Raises:
        PlanError: it has mistakes; nothing was sent.
        NotSent, MaybeSent: its first steps are not known to be queued.
    """
    from fw_core.client import current_app

    app = current_app()
    check_plan(plan, data, tasks=TASK_REGISTRY, queues=app.queues)
    sendings, last_id = start(links_of(plan, TASK_REGISTRY), data, new_id())
    send_all(app, sendings)
    return _result(app, plan, last_id)


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
            _send(app, sending, check=check, parent_id=parent_id, producer=producer)


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


def _result(app: App, plan: Plan, last_id: str) -> TaskResult[Any]:
    from fw_core.call.send import result_in

    last = [step for _, step in last_steps(plan)]
    name = last[0].task if len(last) == 1 else GO_ON
    return result_in(app, TASK_REGISTRY[name], last_id)
