"""Which queue each task goes to, handed to a process that does not import the tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fw_core.broker.app import App

if TYPE_CHECKING:
    from fw_core.declare.handle import TaskHandle

Routes = Mapping[str, tuple[str, int | None]]
"""For each task's name its queue and its priority."""


def routes_of(registry: Mapping[str, TaskHandle[..., Any]]) -> Routes:
    """The routes of declared tasks."""
    specs = [handle.spec for handle in registry.values()]
    return {spec.name: (spec.queue, spec.priority) for spec in specs}


def read_routes(text: str) -> Routes:
    """Read routes from JSON text; no text is no routes."""
    read: dict[str, Any] = json.loads(text) if text.strip() else {}
    return {name: (queue, priority) for name, (queue, priority) in read.items()}


def router(app: App, routes: Routes) -> Callable[..., Any]:
    """Celery's router for these routes; a task without one goes to the default queue."""

    def route(name: str, *_: Any, **__: Any) -> Any:
        if name not in routes:
            return None
        queue, priority = routes[name]
        target = {"queue": app.topology.task_queue(queue)}
        return target if priority is None else {**target, "priority": priority}

    return route
