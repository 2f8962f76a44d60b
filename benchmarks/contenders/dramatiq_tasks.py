"""Dramatiq on RabbitMQ: confirms, a prefetch of 200; results in Redis, without persistence."""

import os
import time

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from contenders.journal import note

broker = RabbitmqBroker(url=os.environ["BENCHMARK_BROKER"], confirm_delivery=True)
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
