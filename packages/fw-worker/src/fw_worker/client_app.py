"""The app by which a command sends and reads, as a team's own program does: it runs nothing."""

from __future__ import annotations

from fw_core import client
from fw_core.broker.app import App, create_app
from fw_core.declare.registry import TASK_REGISTRY
from fw_core.settings import Settings
from fw_worker.task_modules import import_task_modules


def open_client_app(settings: Settings) -> App:
    """Import the tasks and make the app that sends from this process.

    Raises:
        TaskModuleError: a task module cannot be imported.
        UnknownQueueError: a task uses a queue that no worker declares.
    """
    import_task_modules(settings)
    app = create_app(settings, TASK_REGISTRY)
    client.set_own_app(app)
    return app
