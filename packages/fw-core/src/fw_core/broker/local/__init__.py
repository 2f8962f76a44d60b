"""A broker without a server: one SQLite file per machine, or memory for a test.

It keeps what production keeps: a running task survives ``kill -9`` of its worker, delays wait in
the broker, a message that is returned too often or refused becomes a dead letter. It stands in for
RabbitMQ on one machine; it does not replace it on two.

``store.py`` holds the broker itself; ``transport.py`` and ``channel.py`` are how kombu sees it.
"""

from __future__ import annotations

from fw_core.broker.local.location import file_url, memory_url
from fw_core.broker.local.records import Delivery, Draft, Letter, MessageView, QueueView
from fw_core.broker.local.store import Store
from fw_core.broker.local.stores import file_store, forget, memory_store, store_at

__all__ = [
    "Delivery",
    "Draft",
    "Letter",
    "MessageView",
    "QueueView",
    "Store",
    "file_store",
    "file_url",
    "forget",
    "memory_store",
    "memory_url",
    "register",
    "store_at",
]


def register() -> None:
    """Let a broker URL ``local://…`` work in this process; calling it again does nothing."""
    from kombu.transport import TRANSPORT_ALIASES  # only who connects pays for kombu

    TRANSPORT_ALIASES["local"] = "fw_core.broker.local.transport:Transport"
