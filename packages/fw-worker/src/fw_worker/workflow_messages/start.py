"""Starts the workflow of a message, in a process of the pool; what it cannot start is kept."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError

from fw_core import client
from fw_core.attempt.failure import describe
from fw_core.attempt.outcome import Cause
from fw_core.broker.app import App
from fw_core.broker.publish import Unconfirmed, is_final
from fw_core.errors import ResultStoreError, SendError, StartError, WorkerDied
from fw_core.headers import REDELIVERED
from fw_core.workflow.message import read_start
from fw_core.workflow.rules import rules_from_json
from fw_core.workflow.running import run_plan
from fw_worker import told
from fw_worker.dead_letters.bury import bury
from fw_worker.dead_letters.death import Death
from fw_worker.insist import insist
from fw_worker.strategy import OFTEN
from fw_worker.workflow_messages.delivery import Answer, Delivery, Verdict
from fw_worker.workflow_messages.reply import refused, reply, started

MOST_DEATHS = 3
"""Processes that may die of one message before it is a dead letter."""

_BURY_SECONDS = 15.0
_MAY_PASS = (ResultStoreError, SendError, Unconfirmed, OperationalError)

_logger = logging.getLogger("fw.worker")


def start_in_pool(delivery: Delivery) -> Answer:
    """Start the workflow of a message, or keep it as a dead letter; raises nothing."""
    told.let_attempts_end()
    if told.was_told() is not told.Told.NOTHING:
        return Answer(Verdict.BACK)
    app: Any = current_app
    try:
        return start(app, delivery)
    except Exception as error:
        _logger.exception("A message that starts a workflow could not be looked at")
        return Answer(Verdict.NOT_NOW, str(error))


def start(app: App, delivery: Delivery) -> Answer:
    """Start the workflow of a message, or keep it as a dead letter."""
    if delivery.deaths >= MOST_DEATHS:
        died = WorkerDied(task="the start of a workflow", cause=f"{delivery.deaths} times")
        return _refuse(app, delivery, died, delivery.message_id)
    is_copy = REDELIVERED in delivery.raw.headers
    if (
        delivery.delivered >= OFTEN
        and not is_copy
        and _send_anew(app, delivery, {REDELIVERED: True})
    ):
        return Answer(Verdict.DONE)
    workflow_id: str | None = None
    try:
        told_to = read_start(
            delivery.raw.body,
            rules=rules_from_json(app.settings.workflow_rules),
            message_id=delivery.message_id,
        )
        workflow_id = told_to.id
        with client.using(app):
            result = run_plan(told_to.plan, told_to.data, workflow_id=workflow_id)
    except _MAY_PASS as error:
        if is_final(error):
            return _refuse(app, delivery, error, workflow_id)
        if delivery.is_old and _send_anew(app, delivery, {}):
            return Answer(Verdict.DONE)
        return Answer(Verdict.NOT_NOW, str(error).partition("\n")[0])
    except StartError as error:
        return _refuse(app, delivery, error, error.workflow_id)
    except Exception as error:  # noqa: BLE001 - whatever a stranger wrote, it is kept and said
        return _refuse(app, delivery, error, workflow_id)
    _logger.info("Workflow %s was started by a message", result.id)
    reply(app, delivery.raw, started(result.id))
    return Answer(Verdict.DONE)


def _refuse(app: App, delivery: Delivery, error: Exception, workflow_id: str | None) -> Answer:
    _logger.error("A message starts no workflow and is kept as a dead letter: %s", error)
    death = Death(
        cause=Cause.NO_WORKFLOW,
        reason="it starts no workflow",
        error=describe(error),
        at=app.now(),
        attempts=0,
        queue=app.settings.workflow_queue,
        worker=delivery.worker,
        is_settled=True,
    )
    verdict = Verdict.DONE
    try:
        insist(
            lambda: bury(app, delivery.raw, death),
            errors=(Unconfirmed, OperationalError),
            until=app.pauses.monotonic() + _BURY_SECONDS,
            clock=app.pauses,
            even_if_final=True,
            what="the dead letter of a message that starts no workflow",
        )
    except Exception:
        _logger.exception("a dead letter could not be written")
        verdict = Verdict.THROWN_OUT
    reply(app, delivery.raw, refused(workflow_id, error))
    return Answer(verdict)


def _send_anew(app: App, delivery: Delivery, headers: dict[str, Any]) -> bool:
    """Put a copy of a message behind the others of its queue; False if that fails."""
    raw = replace(delivery.raw, headers={**delivery.raw.headers, **headers})
    letter = app.amqp.letter(
        queue=raw.queue,
        due=None,
        body=raw.body,
        content_type=raw.content_type,
        content_encoding=raw.content_encoding,
        headers=raw.headers,
        properties=raw.properties,
    )
    try:
        with app.producer_or_acquire() as producer:
            app.amqp.post(producer, letter)
    except (Unconfirmed, OperationalError) as error:
        _logger.warning("A message that starts a workflow stays as it is: %s", error)
        return False
    return True
