"""What must hold before a worker takes its first message."""

from __future__ import annotations

from fw_core.broker.app import App
from fw_core.broker.task import HARD_LIMIT_GRACE
from fw_core.errors import SettingsError


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
        needed = handle.spec.timeout.total_seconds() + HARD_LIMIT_GRACE
        if needed >= limit:
            raise SettingsError(
                f"{handle.spec.name} ({handle.spec.place}) has a timeout of "
                f"{handle.spec.timeout.total_seconds():g} s; the broker waits {limit:g} s.",
                "The broker would give its message to another worker while it still runs.",
                f"consumer_timeout = {int((needed + 600) * 1000)} in rabbitmq.conf and "
                f"FW_BROKER_CONSUMER_TIMEOUT={int(needed + 600)}, or a shorter timeout.",
            )
