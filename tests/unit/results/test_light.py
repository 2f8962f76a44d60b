"""A process that only sends pays nothing for results."""

from __future__ import annotations

import subprocess
import sys

SENDS = """
import sys
from celery import Celery, chord

app = Celery(
    "shop",
    broker="memory://",
    backend="fw_core.results.backend:ResultBackend+postgresql://fw:fw@127.0.0.1:1/fw",
)

@app.task
def pay(order): ...

@app.task
def report(orders): ...

{sends}

from fw_core.results.handle import TaskResult
TaskResult("id-1", app=app)
heavy = {{"sqlalchemy", "psycopg2", "alembic"}} & set(sys.modules)
print(sorted(heavy), type(app.backend).__name__)
"""


def run(sends: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SENDS.format(sends=sends)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def test_a_call_loads_no_sqlalchemy_and_needs_no_database() -> None:
    assert run("pay.delay(1)") == "[] ResultBackend"


def test_a_join_is_sent_without_the_database_as_well() -> None:
    sends = "chord([pay.s(1), pay.s(2)], report.s()).delay()"

    assert run(sends) == "[] ResultBackend"


def test_the_check_would_see_the_database() -> None:
    sends = "from contextlib import suppress\nwith suppress(Exception): app.backend.load(['a'])"

    assert "sqlalchemy" in run(sends)
