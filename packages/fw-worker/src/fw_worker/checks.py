"""What must hold before a worker takes its first message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fw_core.broker.app import App
from fw_core.broker.task import HARD_LIMIT_GRACE
from fw_core.errors import SettingsError

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
