"""What must hold before a worker takes its first message."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fw_core.broker.app import App
from fw_core.broker.task import HARD_LIMIT_GRACE
from fw_core.errors import PlanError, RulesError, SettingsError
from fw_core.workflow.checking import check_plan
from fw_core.workflow.condition import Condition
from fw_core.workflow.plan import Choose, Plan
from fw_core.workflow.rules import place_of, rules_from_json, under

if TYPE_CHECKING:
    from fw_core.declare.handle import TaskHandle

MOST_PREFETCHED = 4
"""Messages that a worker fetches at most for each attempt that it can run at a time."""


def prefetch(app: App) -> int:
    """How many messages to fetch for each attempt that runs at a time.

    The broker's ``consumer_timeout`` runs from the delivery, so the last of them must have run in
    that time, also when each takes as long as it may.
    """
    needed = max((_needed(handle) for handle in app.registry.values()), default=1.0)
    fits = int(app.settings.broker_consumer_timeout / needed)
    return MOST_PREFETCHED if app.is_local else max(1, min(MOST_PREFETCHED, fits))


def _needed(handle: TaskHandle[..., Any]) -> float:
    return handle.spec.timeout.total_seconds() + HARD_LIMIT_GRACE


def check_timeouts(app: App) -> None:
    """Refuse a task that may run longer than the broker waits for its acknowledgement.

    RabbitMQ closes the channel of a consumer that holds a message longer than its
    ``consumer_timeout``, and gives the message to another worker while the first still runs it.

    Raises:
        SettingsError: it names the task and what to set.
    """
    if app.is_local:
        return
    limit = app.settings.broker_consumer_timeout
    for handle in app.registry.values():
        needed = _needed(handle)
        if needed >= limit:
            raise SettingsError(
                f"{handle.spec.name} ({handle.spec.place}) has a timeout of "
                f"{handle.spec.timeout.total_seconds():g} s; the broker waits {limit:g} s.",
                "The broker would give its message to another worker while it still runs.",
                f"consumer_timeout = {int((needed + 600) * 1000)} in rabbitmq.conf and "
                f"FW_BROKER_CONSUMER_TIMEOUT={int(needed + 600)}, or a shorter timeout.",
            )


def check_workflows(app: App) -> None:
    """Refuse rules whose plans could never run, and a queue of workflows that holds something else.

    Raises:
        RulesError: rules have mistakes; each is named with its place.
        SettingsError: the queue has another purpose.
    """
    queue, topology = app.settings.workflow_queue, app.topology
    name = topology.queue_name(queue)
    if queue in app.queues or name in (topology.dead, topology.outcomes) or topology.is_wait(name):
        raise SettingsError(
            f"The queue {queue!r} is to start workflows, and holds something else already.",
            "What is no message that starts a workflow would end as a dead letter.",
            "FW_WORKFLOW_QUEUE=fw.workflows, or another name of its own.",
        )
    problems = []
    for number, rule in enumerate(rules_from_json(app.settings.workflow_rules)):
        try:
            check_plan(_with_any_data(rule.plan), None, tasks=app.registry, queues=app.queues)
        except PlanError as error:
            inner = [replace(each, path=_in_rule(each.path)) for each in error.problems]
            problems += under(place_of(number), inner)
    if problems:
        raise RulesError(problems)


def _with_any_data(plan: Plan) -> Plan:
    """The same plan where nothing is known of its data: this data goes the other way."""
    return Choose(Condition("exists", value=False), plan)


def _in_rule(path: str) -> str:
    return f"workflow{path.removeprefix('then')}"
