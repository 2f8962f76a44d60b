"""What a worker says of itself when it starts: facts, and what is worth a warning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from fw_core.broker.app import App, results_url
from fw_core.errors import ResultStoreError
from fw_core.urls import safe_url

SOLO_HEARTBEAT = 30
"""Seconds between the heartbeats of a worker that cannot answer any while a task runs."""

SOLO_SECONDS = 2 * SOLO_HEARTBEAT
"""Two missed heartbeats: RabbitMQ then takes a worker for dead and gives its message away."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Starting:
    """A worker that is about to take messages.

    Attributes:
        worker: Its name among other workers.
        version: fw's version.
        broker: Where messages come from, without the password.
        results: Where results go, without the password.
        queues: The team's queues that it takes.
        tasks: The names of the tasks that it can run.
        modules: The modules that declare them.
        concurrency: Attempts at the same time.
        pool: What they run in: prefork, threads or solo.
        notices: What an operator should know, in whole sentences.
    """

    worker: str
    version: str
    broker: str
    results: str
    queues: tuple[str, ...]
    tasks: tuple[str, ...]
    modules: tuple[str, ...]
    concurrency: int
    pool: str
    notices: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        tasks = f"{len(self.tasks)} task{'s' * (len(self.tasks) != 1)}"
        lines = [
            f"fw worker {self.version}",
            f"  broker   {self.broker}",
            f"  results  {self.results}",
            f"  queues   {', '.join(self.queues)}",
            f"  tasks    {tasks} from {', '.join(self.modules)}",
            f"  runs     {self.concurrency} at a time ({self.pool})",
        ]
        return "\n".join([*lines, *(f"  Note: {notice}" for notice in self.notices)])


def starting(
    app: App, *, worker: str, queues: Sequence[str], concurrency: int, pool: str
) -> Starting:
    """Put together what a worker says at its start.

    Args:
        app: The worker's app.
        worker: Its name among other workers.
        queues: The queues that it takes, by their names on the broker.
        concurrency: Attempts at the same time.
        pool: What they run in.
    """
    return Starting(
        worker=worker,
        version=version("fw-worker"),
        broker=safe_url(app.broker_url),
        results=safe_url(results_url(app.settings)),
        queues=tuple(sorted(name.removeprefix(app.topology.prefix) for name in queues)),
        tasks=tuple(sorted(app.registry)),
        modules=app.settings.task_modules,
        concurrency=concurrency,
        pool=pool,
        notices=tuple(notices(app, pool=pool)),
    )


def notices(app: App, *, pool: str) -> Iterator[str]:
    """What an operator should know before the first message."""
    local_broker, local_results = app.settings.is_local, results_are_local(app)
    if local_broker and local_results:
        yield (
            "no server: messages and results are kept in files on this machine. "
            "Set FW_BROKER_URL and FW_DATABASE_URL for RabbitMQ and PostgreSQL."
        )
    elif local_broker:
        yield "messages are kept in a file on this machine; set FW_BROKER_URL for RabbitMQ."
    elif local_results:
        yield (
            "results are kept in a file on this machine: a caller elsewhere cannot read them. "
            "Set FW_DATABASE_URL for PostgreSQL."
        )
    if pool == "threads":
        yield (
            "in threads a timeout stops Python code only: a blocking call (a socket, a C "
            "extension) is stopped when it returns. prefork stops it at once."
        )
    if pool == "solo" and not local_broker:
        yield (
            f"in solo nobody answers the broker while a task runs: one that takes longer than "
            f"{SOLO_SECONDS} s is given to another worker too. prefork and threads do answer."
        )
    if not local_results:
        yield from _results_notice(app)


def results_are_local(app: App) -> bool:
    """Whether results are kept in a file on this machine."""
    return results_url(app.settings).startswith("sqlite")


def prepare_local_results(app: App) -> None:
    """Make the tables of a file once, before processes fork that would each try to.

    Raises:
        ResultStoreError: the file cannot be written.
    """
    if results_are_local(app):
        from fw_core.database.engine import close_connections
        from fw_core.database.schema import ensure_local

        ensure_local(results_url(app.settings))
        close_connections(results_url(app.settings))


def _results_notice(app: App) -> Iterator[str]:
    """A worker runs without its result database; that results are lost has to be said."""
    from fw_core.database.engine import close_connections
    from fw_core.database.schema import is_current

    url = results_url(app.settings)
    try:
        if not is_current(url):
            yield (
                f"the tables of {safe_url(url)} are missing or not those of this version: "
                "no result is kept until `fw db upgrade` has been run."
            )
    except ResultStoreError as error:
        yield f"{error.what} Tasks run; their results are tried to be kept when they end."
    finally:
        close_connections(url)  # a process that forks takes no connection with it
