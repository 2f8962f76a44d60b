"""How many messages are in each queue: all of them, not only those that are ready."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from amqp.exceptions import NotFound

from fw_core.broker.app import App
from fw_core.broker.delays import STEPS_MS
from fw_core.errors import BrokerUnreachable
from fw_core.urls import safe_url
from fw_worker import management


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueCount:
    """One queue at a moment.

    Attributes:
        queue: Its name, without the prefix.
        kind: Whether calls of the team wait in it, or the framework keeps something there.
        ready: Messages that a worker could take now; in a wait queue, those that wait.
        unacknowledged: Messages that a worker holds; None: AMQP does not tell.
        total: All of them, as far as is known.
        consumers: Workers that take from it.
    """

    queue: str
    kind: str
    ready: int
    unacknowledged: int | None
    total: int
    consumers: int

    def facts(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


def queue_counts(app: App) -> list[QueueCount]:
    """Count the team's queues, those of the framework, and wait queues that hold something.

    By the management API where its URL is set, over AMQP where it is not; on the local transport
    the file tells all.

    Raises:
        BrokerUnreachable: nobody answers.
    """
    counts: Iterable[QueueCount]
    if app.is_local:
        counts = _of_store(app)
    elif app.settings.management_url:
        counts = _of_management(app)
    else:
        counts = _of_amqp(app)
    found = {count.queue: count for count in counts}
    always = [*app.queues, *(_plain(app, name) for name in _framework_queues(app))]
    shown = [found.get(name, _count(app, app.topology.prefix + name)) for name in always]
    waiting = [count for count in found.values() if count.kind == "wait" and count.total]
    return [*shown, *sorted(waiting, key=lambda count: int(count.queue.rpartition(".")[2]))]


def _of_store(app: App) -> Iterator[QueueCount]:
    with app.connection_for_read() as connection:
        for view in connection.default_channel.store.queues():
            yield _count(
                app,
                view.name,
                ready=view.ready,
                unacknowledged=view.owned,
                total=view.ready + view.owned + view.delayed,
                consumers=view.listeners,
            )


def _of_management(app: App) -> Iterator[QueueCount]:
    for queue in management.queues(app.settings.management_url, app.broker_url):
        if not queue["name"].startswith(app.topology.prefix):
            continue  # of another system that shares the vhost
        yield _count(
            app,
            queue["name"],
            ready=queue.get("messages_ready", 0),
            unacknowledged=queue.get("messages_unacknowledged", 0),
            total=queue.get("messages", 0),
            consumers=queue.get("consumers", 0),
        )


def _of_amqp(app: App) -> list[QueueCount]:
    topology = app.topology
    names = [topology.queue_name(queue) for queue in app.queues]
    names += _framework_queues(app)
    names += [wait(ms) for wait in (topology.wait, topology.long_wait) for ms in STEPS_MS]
    connection = app.connection_for_read()
    try:
        connection.connect()
        return list(_ask(app, connection, names))
    except (*connection.connection_errors, *connection.channel_errors) as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise BrokerUnreachable(
            server=safe_url(app.broker_url), setting="FW_BROKER_URL", cause=cause
        ) from None
    finally:
        connection.release()


def _ask(app: App, connection: Any, names: Iterable[str]) -> Iterator[QueueCount]:
    channel = connection.channel()
    for name in names:
        try:
            _, ready, consumers = channel.queue_declare(name, passive=True)
        except NotFound:  # nobody has declared it yet; py-amqp has opened the channel again
            continue
        yield _count(app, name, ready=ready, unacknowledged=None, total=ready, consumers=consumers)


def _count(
    app: App,
    name: str,
    *,
    ready: int = 0,
    unacknowledged: int | None = 0,
    total: int = 0,
    consumers: int = 0,
) -> QueueCount:
    topology = app.topology
    kind = "tasks"
    if name == topology.dead:
        kind = "dead letters"
    elif name == topology.outcomes:
        kind = "outcomes"
    elif app.settings.workflow_queue and name == _workflows(app):
        kind = "workflows"
    elif topology.is_wait(name):
        kind = "wait"
    return QueueCount(
        queue=_plain(app, name),
        kind=kind,
        ready=ready,
        unacknowledged=unacknowledged,
        total=total,
        consumers=consumers,
    )


def _framework_queues(app: App) -> list[str]:
    workflows = [_workflows(app)] if app.settings.workflow_queue else []
    return [app.topology.dead, app.topology.outcomes, *workflows]


def _workflows(app: App) -> str:
    return app.topology.queue_name(app.settings.workflow_queue)


def _plain(app: App, name: str) -> str:
    return name.removeprefix(app.topology.prefix)
