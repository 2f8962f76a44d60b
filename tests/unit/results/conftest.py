from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from fw_core.database.engine import close_connections
from fw_core.results.backend import ResultBackend


class Broker:
    """Refuses to take messages of the task ``refuses`` while ``error`` is set."""

    def __init__(self, app: Celery) -> None:
        self.error: BaseException | None = None
        self.refuses = ""
        self.refused = 0
        self._send = app.amqp.send_task_message
        app.amqp.send_task_message = self.send

    def send(self, producer: Any, name: str, message: Any, **options: Any) -> Any:
        if self.error is not None and name == self.refuses:
            self.refused += 1
            raise self.error
        return self._send(producer, name, message, **options)


@pytest.fixture
def broker(app: Celery) -> Broker:
    return Broker(app)


@pytest.fixture
def app() -> Iterator[Celery]:
    """An app that keeps its results in memory and its messages in this process."""
    app = Celery("shop", broker="memory://", set_as_current=False)
    app.conf.update(
        broker_transport_options={"polling_interval": 0.01},
        task_store_errors_even_if_ignored=True,
        worker_hijack_root_logger=False,
    )
    app.backend_cls = lambda app, url: ResultBackend(app, "sqlite://")
    yield app
    app.close()
    close_connections("sqlite://")


@pytest.fixture
def backend(app: Celery) -> ResultBackend:
    found: ResultBackend = app.backend
    return found
