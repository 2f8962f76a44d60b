"""Whether somebody follows what happens to tasks, such as Flower."""

from __future__ import annotations

from typing import Any


def is_followed(eventer: Any) -> bool:
    """Whether events of tasks are sent; those of the worker itself, its heartbeat, always are.

    Args:
        eventer: Celery's dispatcher of events, or None.
    """
    return bool(eventer and eventer.enabled and (not eventer.groups or "task" in eventer.groups))
