"""One deadline over all that a broker answers.

py-amqp gives each frame a timeout of its own, so a broker that is slow, but not silent, could
take many times as long as the caller was promised: a handshake and a first declaration are some
twenty answers. Here each frame is given what is left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from kombu.transport import pyamqp

_CONNECT_SECONDS = 2.0


def connect(connection: Any, deadline: float) -> None:
    """Connect, if need be, until ``deadline`` (of ``time.monotonic``).

    Raises:
        TimeoutError: the deadline is over.
        OperationalError: it could not be done in time.
    """
    if connection.connected:
        return
    patience = min(_left(deadline), _CONNECT_SECONDS)
    connection.connect_timeout = patience
    transport: Any = connection.transport
    if isinstance(transport, pyamqp.Transport):
        vars(transport)["Connection"] = partial(_Connecting, deadline)
    connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=patience)


@contextmanager
def answering_until(connection: Any, deadline: float) -> Iterator[None]:
    """Inside the block nobody waits for the broker beyond ``deadline``.

    Raises:
        TimeoutError: the deadline is over.
    """
    left = _left(deadline)
    real = connection.connection
    if not isinstance(real, pyamqp.Connection):  # the local transport answers at once
        yield
        return
    with bounded(real, deadline, left):
        yield


@contextmanager
def bounded(real: Any, deadline: float, left: float | None = None) -> Iterator[None]:
    """The same, of a connection of py-amqp's."""
    left = _left(deadline) if left is None else left
    with real.transport.having_timeout(left), _bounded(real, deadline):
        yield


@contextmanager
def _bounded(real: Any, deadline: float) -> Iterator[None]:
    read = real.blocking_read

    def read_in_time(timeout: float | None = None) -> Any:
        left = _left(deadline)
        is_whole = read(left if timeout is None else min(left, timeout))
        if real.connected and real.transport.sock.gettimeout() is not None:
            real.transport.sock.settimeout(_left(deadline))  # of the next write
        return is_whole

    real.blocking_read = read_in_time
    try:
        yield
    finally:
        real.blocking_read = read


class _Connecting(pyamqp.Connection):  # type: ignore[misc]
    """A connection whose whole handshake ends before a deadline."""

    def __init__(self, deadline: float, **options: Any) -> None:
        super().__init__(**options)
        self._deadline = deadline

    def connect(self, callback: Any = None) -> Any:
        with _bounded(self, self._deadline):
            return super().connect(callback)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left
