"""The worker's step that takes messages which start workflows."""

from __future__ import annotations

from typing import Any

from celery import bootsteps

from fw_worker.checks import check_workflows
from fw_worker.workflow_messages.inbox import Inbox


class TakeWorkflows(bootsteps.StartStopStep):  # type: ignore[misc]
    """Takes them as long as the worker takes calls."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def include_if(self, c: Any) -> bool:
        """Unless the settings name no queue for them."""
        return bool(c.app.settings.workflow_queue)

    def __init__(self, c: Any, **options: Any) -> None:
        super().__init__(c, **options)
        c.workflows = None

    def create(self, c: Any) -> None:
        """Refuse rules that could not run; a program that only sends need not know their tasks.

        Raises:
            SettingsError: the worker does not start with them.
        """
        check_workflows(c.app)

    def start(self, c: Any) -> None:
        """The worker is connected, and about to take messages."""
        c.workflows = c.workflows or Inbox(c)

    def register_with_event_loop(self, c: Any, hub: Any) -> None:
        """Begin with the loop's first turn, when the worker counts what comes."""
        hub.call_soon(c.workflows.begin)

    def stop(self, c: Any) -> None:
        """The connection is lost, or the worker ends."""
        if c.workflows is not None:
            c.workflows.lost()
