"""``fw tasks``."""

from __future__ import annotations

import json


def test_the_table_shows_what_a_task_promises(fw, tasks):
    lines = fw("tasks").stdout.splitlines()
    [order] = [line for line in lines if "process_order" in line]
    assert "(order_id: int) -> str" in order
    assert "5: 3, 9, 27 s …" in order
    assert "ignored" in order
    assert f"{tasks}.py:5" in order
    [remind] = [line for line in lines if "remind" in line]
    assert "bulk, priority 7" in remind


def test_json_has_stable_keys(fw, tasks):
    [found] = [t for t in json.loads(fw("tasks", "--json").stdout) if "process" in t["name"]]
    assert found == {
        "name": f"{tasks}.process_order",
        "takes": "(order_id: int) -> str",
        "queue": "default",
        "priority": None,
        "retries": 5,
        "waits": [3.0, 9.0, 27.0],
        "timeout": 300.0,
        "expires": None,
        "ignore_result": True,
        "is_async": False,
        "place": f"{tasks}.py:5",
        "doc": "Process an order.",
    }


def test_a_module_can_be_named_on_the_line(fw, tasks, monkeypatch):
    """With -m, without FW_TASK_MODULES."""
    monkeypatch.delenv("FW_TASK_MODULES")
    assert "task1" in fw("tasks", "-m", tasks).stdout


def test_without_a_module_it_says_what_to_set(fw):
    said = fw("tasks", code=2)
    assert "Fix: FW_TASK_MODULES=" in said.stderr
    assert said.stdout == ""


def test_a_module_that_is_not_there_is_named(fw):
    said = fw("tasks", "-m", "no.such.module", code=2)
    assert "'no.such.module' cannot be imported: ModuleNotFoundError" in said.stderr


def test_a_module_that_fails_is_named_with_the_line(fw, place):
    (place / "broken_team.py").write_text("x = 1\ny = 1 / 0\n")
    said = fw("tasks", "-m", "broken_team", code=2)
    assert "ZeroDivisionError: division by zero" in said.stderr
    assert "broken_team.py:2)" in said.stderr


def test_a_module_that_exits_does_not_end_the_command_in_silence(fw, place):
    (place / "exiting_team.py").write_text("raise SystemExit(0)\n")
    assert "SystemExit" in fw("tasks", "-m", "exiting_team", code=2).stderr


def test_a_task_that_cannot_be_one_is_said_in_its_own_words(fw, place, declaring):
    (place / "wrong_team.py").write_text(
        "from fw_core import task_framework\n@task_framework(retrys=3)\ndef f(): ...\n"
    )
    said = fw("tasks", "-m", "wrong_team", code=2).stderr
    assert said.startswith("task_framework has no parameter 'retrys'. Did you mean 'retries'?")
