"""Which queues a worker takes."""

from __future__ import annotations

from collections.abc import Sequence

from fw_core.broker.app import App


def queues_to_take(app: App, asked: Sequence[str] = ()) -> list[str]:
    """The names on the broker of the queues that this worker takes; all, if none is asked for.

    Raises:
        UnknownQueueError: a queue is asked for that does not exist.
    """
    chosen = [app.check_queue(queue, user="This worker") for queue in asked] or app.queues
    return [app.topology.queue_name(queue) for queue in chosen]
