"""Plain Celery, tuned: what its documentation advises for many short tasks, with fw's guarantees.

A durable quorum queue, publisher confirms, late acknowledgement, a prefetch of 25 a process; no
task events, gossip, mingle and heartbeat, and no line in the log for a task.
"""

import os
import time

from celery import Celery
from kombu import Queue

from contenders.journal import note

app = Celery("plain", broker=os.environ["BENCHMARK_BROKER"])
app.conf.update(
    task_queues=[Queue("plain", queue_arguments={"x-queue-type": "quorum"})],
    task_default_queue="plain",
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=25,
    worker_detect_quorum_queues=True,
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
)
if "BENCHMARK_RESULTS" in os.environ:
    app.conf.update(
        result_backend="db+" + os.environ["BENCHMARK_DATABASE"].replace("://", "+psycopg2://", 1),
        task_ignore_result=False,
    )


@app.task  # type: ignore[untyped-decorator]  # Celery has no types
def echo(text: str) -> str:
    """Do nothing and return a text."""
    note()
    return text


@app.task  # type: ignore[untyped-decorator]  # Celery has no types
def takes(seconds: float) -> float:
    """Take so long, and return it."""
    time.sleep(seconds)
    return seconds


def send(count: int, results: bool) -> None:
    """Put the calls into the queue."""
    with app.producer_or_acquire() as producer:
        for _ in range(count):
            echo.apply_async(("a text",), producer=producer)
