"""TASK_REGISTRY: a mapping that answers an unknown name with the nearest."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from collections.abc import Mapping

import pytest

from fw_core import TASK_REGISTRY, DuplicateTaskError, UnknownTaskError, task_framework

pytestmark = pytest.mark.usefixtures("nested")


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module of tasks and imports it; it is forgotten after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    written: list[str] = []

    def write(source: str, name: str = "shop_tasks"):
        path = tmp_path / f"{name}.py"
        path.write_text("from fw_core import *\n" + textwrap.dedent(source))
        importlib.invalidate_caches()
        written.append(name)
        if name in sys.modules:
            return importlib.reload(sys.modules[name])
        return importlib.import_module(name)

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield write
    for name in written:
        sys.modules.pop(name, None)


@pytest.fixture
def billing():
    @task_framework(name="billing.send_invoice")
    def send_invoice() -> None: ...

    return send_invoice


# A mapping


def test_it_is_a_mapping():
    assert isinstance(TASK_REGISTRY, Mapping)


def test_a_task_is_found_by_its_name(billing):
    assert TASK_REGISTRY["billing.send_invoice"] is billing


def test_it_can_be_asked_like_a_dict(billing):
    assert "billing.send_invoice" in TASK_REGISTRY
    assert "billing.nothing" not in TASK_REGISTRY
    assert 3 not in TASK_REGISTRY
    assert TASK_REGISTRY.get("billing.nothing") is None
    assert TASK_REGISTRY.get(3) is None
    assert billing in TASK_REGISTRY.values()
    assert len(TASK_REGISTRY) == len(list(TASK_REGISTRY)) == len(dict(TASK_REGISTRY))


def test_it_can_grow_while_it_is_read(billing):
    for name in TASK_REGISTRY:
        task_framework(name=f"{name}.again")(lambda_free())


def lambda_free():
    def work() -> None: ...

    return work


def test_nothing_can_be_put_into_it_by_hand(billing):
    with pytest.raises(TypeError):
        TASK_REGISTRY["task1"] = billing


def test_an_unknown_name_is_answered_with_the_nearest(billing):
    with pytest.raises(UnknownTaskError) as caught:
        TASK_REGISTRY["billing.send_invoise"]

    assert caught.value.matches == ["billing.send_invoice"]
    assert caught.value.what == (
        "No task is named 'billing.send_invoise'. Did you mean 'billing.send_invoice'?"
    )
    assert caught.value.fix == "use 'billing.send_invoice'."


def test_an_unknown_name_is_a_key_error_too():
    with pytest.raises(KeyError):
        TASK_REGISTRY["no such task"]


def test_the_message_of_an_unknown_name_is_no_repr():
    """str() of a KeyError would show it in quotes, with its line ends as \\n."""
    with pytest.raises(UnknownTaskError) as caught:
        TASK_REGISTRY["no such task"]

    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("name", [None, 3, ("a",)])
def test_a_name_that_is_no_text_is_unknown(name):
    with pytest.raises(UnknownTaskError):
        TASK_REGISTRY[name]


# Two tasks of one name


def test_two_functions_of_one_name_are_refused_with_both_places(module):
    with pytest.raises(DuplicateTaskError) as caught:
        module(
            """
            @task_framework(name="billing.send_invoice")
            def one(): ...

            @task_framework(name="billing.send_invoice")
            def two(): ...
            """
        )

    error = caught.value
    assert error.first.endswith("shop_tasks.py:3")
    assert error.second.endswith("shop_tasks.py:6")
    assert str(error) == (
        f"Two functions claim the task name 'billing.send_invoice': {error.first} and "
        f"{error.second}.\n"
        "Messages carry the name, so a worker could run the wrong one.\n"
        'Fix: give one of them name="billing.send_invoice_v2".'
    )


def test_one_function_written_twice_in_a_module_is_refused(module):
    """The second would replace the first without a word."""
    with pytest.raises(DuplicateTaskError):
        module(
            """
            @task_framework
            def send(): ...

            @task_framework
            def send(): ...
            """
        )


def test_two_modules_may_not_claim_one_name(module):
    module("@task_framework(name='send')\ndef send(): ...", name="shop_one")

    with pytest.raises(DuplicateTaskError, match=r"shop_one\.py:2 and .*shop_two\.py:2"):
        module("@task_framework(name='send')\ndef send(): ...", name="shop_two")


def test_one_name_in_two_modules_is_two_tasks(module):
    module("@task_framework\ndef send(): ...", name="shop_one")
    module("@task_framework\ndef send(): ...", name="shop_two")

    assert {"shop_one.send", "shop_two.send"} <= set(TASK_REGISTRY)


def test_the_first_of_two_tasks_stays(module):
    first = module("@task_framework(name='send')\ndef send(): ...", name="shop_one")

    with pytest.raises(DuplicateTaskError):
        module("@task_framework(name='send')\ndef send(): ...", name="shop_two")

    assert TASK_REGISTRY["send"] is first.send


# The same function again


def test_a_module_that_is_reloaded_declares_its_tasks_again(module):
    loaded = module("@task_framework\ndef send(): ...")
    first = loaded.send

    importlib.reload(loaded)

    assert loaded.send is not first
    assert TASK_REGISTRY["shop_tasks.send"] is loaded.send


def test_a_module_that_was_edited_and_reloaded_declares_its_tasks_again(module):
    module("@task_framework\ndef send(): ...")

    edited = module("\n\n@task_framework(retries=9)\ndef send(): ...")

    assert TASK_REGISTRY["shop_tasks.send"] is edited.send
    assert edited.send.spec.policy.retries == 9


def test_a_reload_does_not_hide_two_functions_of_one_name(module):
    module("@task_framework\ndef send(): ...")

    with pytest.raises(DuplicateTaskError):
        module("@task_framework\ndef send(): ...\n\n@task_framework\ndef send(): ...")


# Scripts


def test_a_task_of_a_script_has_the_scripts_name(tmp_path):
    """A worker imports the file by its name; ``__main__`` would be the worker's own."""
    script = tmp_path / "shop.py"
    script.write_text(
        "from fw_core import task_framework\n@task_framework\ndef send(): ...\nprint(send.name)\n"
    )

    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)

    assert ran.stdout == "shop.send\n"


def test_a_task_of_a_package_that_is_run_has_the_packages_name(tmp_path):
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tasks.py").write_text(
        "from fw_core import task_framework\n@task_framework\ndef send(): ...\nprint(send.name)\n"
    )

    ran = subprocess.run(
        [sys.executable, "-m", "shop.tasks"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip

    assert ran.stdout == "shop.tasks.send\n"


def test_what_a_test_declares_is_forgotten():
    with TASK_REGISTRY.scoped():
        task_framework(name="for.a.while")(lambda_free())
        assert "for.a.while" in TASK_REGISTRY

    assert "for.a.while" not in TASK_REGISTRY
