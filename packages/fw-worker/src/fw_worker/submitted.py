"""What a pool of threads was given and has not begun with: it can be taken back.

Celery's pool keeps what waits for a free thread even when the connection is lost that it came
from. The broker delivers it again, and each message would be run twice.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary


class Submitted:
    """The attempts that one pool was given, in the order in which they came."""

    def __init__(self) -> None:
        self._futures: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    def take_note(self, pool: Any) -> None:
        """Remember what ``pool`` is given from now on, and drop it where Celery asks for that.

        Celery asks when a connection is lost, as it does with a pool of processes.
        """
        submit = pool.on_apply

        def on_apply(*args: Any, accept_callback: Any = None, **options: Any) -> Any:
            result = submit(*args, accept_callback=accept_callback, **options)
            request = getattr(accept_callback, "__self__", None)
            if request is not None:
                self._futures[request] = result.f
            return result

        pool.on_apply = on_apply
        pool.flush = self.drop

    def take_back(self, request: Any) -> bool | None:
        """Whether an attempt was taken back that no thread has begun; None: it is not known."""
        future = self._futures.get(request)
        return None if future is None else bool(future.cancel())

    def drop(self) -> None:
        """Take back all that no thread has begun."""
        for future in tuple(self._futures.values()):
            future.cancel()
