"""Work on the database, tried again for a bounded time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from fw_core.database import schema
from fw_core.database.engine import transactional, turn_on
from fw_core.database.faults import can_pass, store_error

T = TypeVar("T")


class Database:
    """The database behind one URL, reached over this process's one kept connection.

    Holds no connection itself, so that it can be inherited by a forked child.
    """

    def __init__(
        self,
        url: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self._monotonic = monotonic
        self._sleep = sleep

    def statement(self, work: Callable[[Connection], T], *, timeout: float) -> T:
        """Run ``work`` of one statement, tried again until ``timeout`` seconds have passed.

        A statement whose answer was lost is run twice, so it must bear that.

        Raises:
            ResultStoreError: it did not succeed in time, or cannot succeed.
        """
        return self._run(lambda: self._once(work, is_transaction=False), timeout=timeout)

    def transaction(self, work: Callable[[Connection], T], *, timeout: float) -> T:
        """Run ``work`` in one transaction, tried again as a whole like :meth:`statement`."""
        return self._run(lambda: self._once(work, is_transaction=True), timeout=timeout)

    def _once(self, work: Callable[[Connection], T], *, is_transaction: bool) -> T:
        with turn_on(self.url) as engine:
            schema.ensure_local(self.url)
            with (transactional(engine) if is_transaction else engine).begin() as connection:
                return work(connection)

    def _run(self, attempt: Callable[[], T], *, timeout: float) -> T:
        deadline = self._monotonic() + timeout
        for wait in _waits():
            try:
                return attempt()
            except (SQLAlchemyError, OSError, ValueError) as error:  # the driver's own: a NUL
                if not can_pass(error) or self._monotonic() + wait > deadline:
                    raise store_error(self.url, error) from None
            self._sleep(wait)
        raise AssertionError("unreachable: the waits never end")


def _waits() -> Iterator[float]:
    """None at first, for a kept connection that died while idle; then 0.05 s growing to 1 s."""
    yield 0.0
    wait = 0.05
    while True:
        yield wait * random.uniform(0.8, 1.2)  # not all workers at once  # noqa: S311
        wait = min(wait * 2, 1.0)
