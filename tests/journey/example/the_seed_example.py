"""The example that fw was asked for, as its user wrote it; only the import is fw's."""

import random

from fw_core import register_task, task_framework


@task_framework(retries=5, backoff=3, ignore_result=True)
def process_order(order_id):
    print(f"Processing order: {order_id}")
    if random.random() < 0.3:
        raise Exception("Order processing failed")
    return f"Order {order_id} processed"


@register_task("task1")
@task_framework(retries=3)
def task1(data):
    print(f"Task1 processing: {data}")
    return f"Task1 result: {data}"


@register_task("task2")
@task_framework(retries=2)
def task2(data):
    print(f"Task2 processing: {data}")
    return f"Task2 result: {data}"
