"""A plain Celery app on the local transport; real worker processes run it: celery -A this worker.

Its tasks write what they do into a journal file, one line an event, which the tests read.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from celery import Celery, signals
from celery.exceptions import Reject
from kombu import Exchange, Queue

from fw_core.broker import local

JOURNAL = "LOCAL_TEST_JOURNAL"
BROKER = "LOCAL_TEST_BROKER"
GIVE_UP_SECONDS = 60.0


def make_app(url: str) -> Celery:
    """Return an app whose queue allows three redeliveries and keeps its dead letters."""
    local.register()
    made = Celery("local-transport-test", broker=url, set_as_current=False)
    made.conf.update(
        broker_connection_retry_on_startup=False,
        task_acks_late=True,
        task_acks_on_failure_or_timeout=False,
        task_default_queue="work",
        task_ignore_result=True,
        task_queues=[
            Queue(
                "work",
                Exchange("tasks", "topic"),
                routing_key="work",
                queue_arguments={
                    "x-delivery-limit": 3,
                    "x-dead-letter-exchange": "",
                    "x-dead-letter-routing-key": "dead",
                },
            )
        ],
        task_default_exchange="tasks",
        task_default_exchange_type="topic",
        task_default_routing_key="work",
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=4,
    )
    return made


def note(*facts: object) -> None:
    """Add a line to the journal; short appends are atomic."""
    journal = os.open(os.environ[JOURNAL], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(journal, (" ".join(map(str, facts)) + "\n").encode())
    os.close(journal)


app = make_app(os.environ.get(BROKER, local.memory_url("local-transport-test")))


@signals.worker_ready.connect
def say_ready(**_: Any) -> None:
    if JOURNAL in os.environ:
        note("ready", os.getpid())


@app.task(name="record", shared=False)
def record(number: int) -> None:
    note("record", number, time.time())


@app.task(name="hold", shared=False, bind=True)
def hold(self: Any, gate: str) -> None:
    """Run until the file ``gate`` exists."""
    info = self.request.delivery_info
    count = (self.request.headers or {}).get("x-delivery-count")
    note("started", os.getpid(), info["redelivered"], count)
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not Path(gate).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    note("ended", os.getpid())


@app.task(name="refuse", shared=False)
def refuse() -> None:
    raise Reject("no", requeue=False)


@app.task(name="die", shared=False)
def die() -> None:
    """Kill the pool child that runs this."""
    note("died")
    os.kill(os.getpid(), signal.SIGKILL)
