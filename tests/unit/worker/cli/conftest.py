"""The ``fw`` command in this process, in an empty directory with one module of tasks."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fw_core import client
from fw_core.database.engine import close_connections
from fw_worker.cli import main

Fw = Callable[..., Result]

_numbers = itertools.count(1)

TASKS = '''
from datetime import date
from fw_core import register_task, task_framework

@task_framework(retries=5, backoff=3, ignore_result=True)
def process_order(order_id: int) -> str:
    """Process an order."""
    return f"Order {order_id} processed"

@task_framework(queue="bulk", priority=7, timeout=60)
def remind(day: date, text: str, times: int = 1, **more: int) -> None: ...

@register_task("task1")
@task_framework(retries=3)
def task1(data): return data

@register_task("task2")
@task_framework(retries=2)
def task2(data): return data
'''


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory to work in, without settings."""
    for variable in [name for name in os.environ if name.startswith("FW_")]:
        monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    client.set_own_app(None)
    close_connections()


@pytest.fixture
def tasks(place: Path, declaring: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module of tasks in the working directory, named in FW_TASK_MODULES."""
    name = f"team{next(_numbers)}"
    (place / f"{name}.py").write_text(TASKS)
    monkeypatch.setenv("FW_TASK_MODULES", name)
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def fw(place: Path) -> Fw:
    """Runs the command with these words."""

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, words, prog_name="fw", catch_exceptions=False)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def queued(place: Path) -> Callable[[str], list[dict[str, Any]]]:
    """Reads the messages that wait in a queue: their task and arguments."""

    def read(queue: str = "default") -> list[dict[str, Any]]:
        from kombu import Connection

        from fw_core.broker import local

        local.register()
        found = []
        with Connection(local.file_url(place / ".fw" / "broker.db")) as connection:
            channel = connection.channel()
            while message := channel.basic_get(queue):
                args, kwargs, _ = message.payload
                facts = {"task": message.headers["task"], "id": message.headers["id"]}
                found.append({**facts, "args": args, "kwargs": kwargs})
        return found

    return read
