"""Importing fw_core is cheap, connects to nothing and starts nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fw_core

HEAVY = ("celery", "kombu", "amqp", "billiard", "sqlalchemy", "psycopg2", "alembic", "pydantic",
         "pydantic_settings", "fw_worker", "fw_testing")  # fmt: skip


def loaded_after(code: str) -> set[str]:
    """Which of the heavy packages a fresh process has loaded after running ``code``."""
    report = f"import sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(eval(ran.stdout))  # a list of texts, printed by ourselves


def test_importing_loads_none_of_the_heavy_packages():
    """A web process imports its tasks at start, and may never send one."""
    assert loaded_after("import fw_core") == set()


def test_declaring_a_task_with_plain_annotations_loads_none_of_them():
    code = (
        "from fw_core import task_framework\n"
        "@task_framework(retries=5, backoff=3, ignore_result=True)\n"
        "def process_order(order_id: int, note: str = '') -> str: ...\n"
        "process_order.arguments.encode((7,), {})\n"
        "process_order(7)\n"
    )

    assert loaded_after(code) == set()


def test_declaring_a_task_with_richer_annotations_loads_pydantic_alone():
    code = (
        "from fw_core import task_framework\n"
        "@task_framework\n"
        "def process_orders(order_ids: list[int]) -> None: ...\n"
    )

    assert loaded_after(code) == {"pydantic"}


def test_importing_starts_no_thread():
    code = "import fw_core, threading; assert threading.active_count() == 1"

    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", fw_core.__all__)
def test_every_public_name_is_there(name):
    assert getattr(fw_core, name) is not None


def test_no_public_name_is_written_twice():
    assert len(fw_core.__all__) == len(set(fw_core.__all__))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'fw_core' has no attribute 'task_framwork'"):
        fw_core.task_framwork
