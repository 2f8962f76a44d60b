"""A task with annotations, a result, and a service behind it that is down at the first attempt."""

import logging

from fw_core import current_attempt, task_framework

_logger = logging.getLogger(__name__)


@task_framework(retries=3, backoff=[1, 5, 60], retry_on=ConnectionError)
def collect_payment(order_id: int, amount: float) -> str:
    """Collect the amount of an order; the bank answers at the second attempt."""
    attempt = current_attempt()
    _logger.info("asking the bank, attempt %d of %d", attempt.number, attempt.of)
    if attempt.number == 1:
        raise ConnectionError("the bank does not answer")
    return f"{amount} collected for order {order_id}"
