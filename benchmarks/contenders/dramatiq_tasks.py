"""Dramatiq on RabbitMQ: confirms, a prefetch of 200; results in Redis, without persistence.

Its queues are quorum queues, as those of the others, unless it is asked for the classic ones that
it declares by itself.
"""

import os
import time

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from contenders.journal import note


class QuorumBroker(RabbitmqBroker):
    """Declares quorum queues."""

    def _build_queue_arguments(self, queue_name):
        return {**super()._build_queue_arguments(queue_name), "x-queue-type": "quorum"}


Broker = RabbitmqBroker if "BENCHMARK_CLASSIC" in os.environ else QuorumBroker
broker = Broker(url=os.environ["BENCHMARK_BROKER"], confirm_delivery=True)
if "BENCHMARK_RESULTS" in os.environ:
    from dramatiq.results import Results
    from dramatiq.results.backends import RedisBackend

    broker.add_middleware(Results(backend=RedisBackend(url=os.environ["BENCHMARK_REDIS"])))
dramatiq.set_broker(broker)


@dramatiq.actor(**({"store_results": True} if "BENCHMARK_RESULTS" in os.environ else {}))
def echo(text: str) -> str:
    """Do nothing and return a text."""
    note()
    return text if "BENCHMARK_RESULTS" in os.environ else None


def send(count: int, results: bool) -> None:
    """Put the calls into the queue."""
    for _ in range(count):
        echo.send("a text")
    time.sleep(0.1)
