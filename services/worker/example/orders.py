"""A team's tasks: plain functions under one decorator."""

import time

from fw_core import task_framework


@task_framework(retries=5, backoff=3)
def process_order(order_id: int) -> str:
    """What the team came for."""
    return f"Order {order_id} processed"


@task_framework
def pack(order_id: int, seconds: float) -> str:
    """Takes a while: a worker that is told to stop finishes it first."""
    time.sleep(seconds)
    return f"Order {order_id} packed"
