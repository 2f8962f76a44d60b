"""What a worker sends for a task that is done: the next step, callbacks, what waits at a join.

Its names, queues and waits were checked by whoever made the workflow, and the task before it has
succeeded: refusing it here would break a workflow whose step is done. So what this worker does not
know is sent all the same, to where the workflow says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_following_up: ContextVar[bool] = ContextVar("fw_following_up", default=False)


@contextmanager
def following_up() -> Iterator[None]:
    """Send what follows from a task that is done."""
    token = _following_up.set(True)
    try:
        yield
    finally:
        _following_up.reset(token)


def is_follow_up() -> bool:
    """Whether what is sent here and now follows from a task, and is no call of its body."""
    return _following_up.get()
