"""A fake leaves the process as it found it: compared before and after."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from celery import _state, signals
from celery.utils.dispatch import Signal
from celery.worker import state as worker_state
from kombu import Connection, Producer, pools

import fw_testing
from fw_core import TASK_REGISTRY, client, outside, task_framework
from fw_core.broker.local import stores
from fw_core.database import engine
from fw_core.declare import decorator
from fw_worker import ended


def state() -> dict[str, object]:
    """All that a fake could change outside of itself."""
    loggers = {"": logging.getLogger(), **logging.Logger.manager.loggerDict}
    return {
        "celery's current app": (_state._tls.current_app, _state.default_app),
        "celery's task stack": list(_state._task_stack.stack),
        "celery's flags": (_state.task_join_will_block(), _state.get_current_task()),
        "celery's apps": len(_state._on_app_finalizers),
        "receivers of signals": {
            name: len(signal.receivers)
            for name, signal in vars(signals).items()
            if isinstance(signal, Signal)
        },
        "worker_state": {
            name: len(value)
            for name, value in vars(worker_state).items()
            if not name.startswith("__") and isinstance(value, (dict, set, list))
        },
        "kombu's pools": (dict(pools.connections), dict(pools.producers)),
        "kombu's classes": (Connection._establish_connection, Producer.publish),
        "tasks": dict(TASK_REGISTRY),
        "the app that sends": (list(client._active), client._own),
        "gates": list(outside._gates),
        "listeners": list(ended._listeners),
        "nested tasks": decorator._nested_allowed,
        "stores": sorted(stores._memory),
        "environment": dict(os.environ),
        "logging": {
            name: (logger.level, list(logger.handlers), logger.propagate, logger.disabled)
            for name, logger in loggers.items()
            if isinstance(logger, logging.Logger)
        },
        "sleep": (time.sleep, asyncio.sleep),
        "import hooks": list(sys.meta_path),
        "warnings": len(warnings.filters),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "files": sorted(open_files()),
        "directory": (os.getcwd(), sorted(os.listdir("."))),
    }


def open_files() -> Iterator[str]:
    """What this process has open: files, sockets, pipes."""
    for number in os.listdir("/proc/self/fd"):
        try:
            yield os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # the listing's own
            continue


def use_all(fake: Callable[..., AbstractContextManager[object]]) -> None:
    """A test that does what tests do."""
    with fake(move_datetime=True, move_sleep=True) as broker:

        @task_framework(retries=1, timeout=5)
        def fails() -> None:
            time.sleep(1)
            raise ValueError

        @task_framework(queue="bulk")
        async def doubles(number: int) -> int:
            await asyncio.sleep(1)
            return number * 2

        result, other = fails.delay(), doubles.options(delay=60).delay(4)
        if isinstance(broker, fw_testing.FakeBroker):
            broker.drain()
            broker.advance(60)
            broker.drain()
        assert result.state in {"FAILURE", "RETRY", "PENDING"}
        assert other.get() == 8


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="lists open files by /proc")
@pytest.mark.parametrize("fake", [fw_testing.eager, fw_testing.fake_broker])
def test_a_fake_leaves_the_process_as_it_found_it(fake) -> None:
    """What is loaded and kept once for all tests, such as the tables, is there before."""
    use_all(fake)
    gc.collect()
    before = state()

    use_all(fake)
    gc.collect()

    after = state()
    assert {name: after[name] for name in after if after[name] != before[name]} == {}


def test_the_only_thing_kept_is_the_database_in_memory() -> None:
    """One, for all tests of a process: its tables cost time. It is empty."""
    use_all(fw_testing.eager)
    kept = [url for url in engine._engines if "fw-testing" in url]
    assert len(kept) == 1
    with engine.engine_for(kept[0]).connect() as connection:
        from fw_core.database.tables import metadata

        for table in metadata.tables.values():
            assert connection.execute(table.select()).all() == []
