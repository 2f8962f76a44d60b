"""What the decorator leaves in place of the function."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import subprocess
import sys

import pytest

from fw_core import TASK_REGISTRY, AsyncTask, task_framework
from fw_core.attempt.current import attempt_or_none


def process_order(order_id: int, *, fast: bool = False) -> str:
    """Process one order."""
    return f"Order {order_id} processed"


async def fetch(url: str) -> str:
    return url


@pytest.fixture
def handle(declaring):
    return task_framework(process_order)


@pytest.fixture
def async_handle(declaring):
    return task_framework(fetch)


def test_a_plain_call_runs_the_function_here_and_now(handle):
    assert handle(7) == "Order 7 processed"


def test_a_plain_call_checks_nothing_and_is_no_attempt(declaring):
    """It is the function as it was written: types are for what travels."""

    @task_framework(name="t")
    def work(value: int) -> object:
        return value, attempt_or_none()

    assert work("text") == ("text", None)


def test_a_plain_call_raises_the_functions_own_error(declaring):
    error = ConnectionError()

    @task_framework(name="t", retries=5)
    def work() -> None:
        raise error

    with pytest.raises(ConnectionError) as caught:
        work()

    assert caught.value is error


def test_a_plain_call_of_an_async_task_returns_a_coroutine(async_handle):
    coroutine = async_handle("x")

    assert inspect.iscoroutine(coroutine)
    assert asyncio.run(coroutine) == "x"
    assert isinstance(async_handle, AsyncTask)


def test_its_signature_is_the_functions(handle):
    assert inspect.signature(handle) == inspect.signature(process_order)


def test_its_documentation_is_the_functions(handle):
    assert handle.__doc__ == "Process one order."
    assert inspect.getdoc(handle) == "Process one order."


def test_its_names_are_the_functions(handle):
    assert handle.__name__ == "process_order"
    assert handle.__qualname__ == "process_order"
    assert handle.__module__ == __name__
    assert handle.__wrapped__ is process_order


def test_it_shows_its_name_on_the_wire(handle):
    assert repr(handle) == f"<task {__name__}.process_order>"


def test_an_attribute_of_the_function_does_not_replace_its_own(declaring):
    def work() -> None: ...

    work.spec = "mine"
    work.name = "mine"
    work.note = "kept"

    task = task_framework(name="t")(work)

    assert task.spec.name == task.name == "t"
    assert task.note == "kept"


def test_it_is_pickled_by_its_name(declaring):
    """As a canvas or a process pool may do; the function itself does not travel."""
    task = task_framework(name="pickled")(process_order)

    assert pickle.loads(pickle.dumps(task)) is task


def test_copies_are_the_task_itself(handle):
    assert copy.copy(handle) is handle
    assert copy.deepcopy([handle]) == [handle]


def test_it_is_unpickled_in_a_process_that_has_not_imported_its_module(tmp_path):
    (tmp_path / "shop.py").write_text(
        "from fw_core import task_framework\n@task_framework\ndef send(): return 'sent'\n"
    )
    python = [sys.executable, "-c"]
    dump = "import pickle, sys, shop; sys.stdout.buffer.write(pickle.dumps(shop.send))"
    load = "import pickle, sys; print(pickle.load(sys.stdin.buffer)())"

    pickled = subprocess.run([*python, dump], capture_output=True, check=True, cwd=tmp_path).stdout
    ran = subprocess.run(
        [*python, load], input=pickled, capture_output=True, check=True, cwd=tmp_path
    )

    assert ran.stdout == b"sent\n"


def test_the_spec_is_frozen(handle):
    with pytest.raises(AttributeError):
        handle.spec.queue = "bulk"


def test_the_registry_has_it(handle):
    assert TASK_REGISTRY[handle.name] is handle
