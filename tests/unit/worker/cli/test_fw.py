"""The command as a whole: its help, its speed, its exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fw_core.errors import (
    CallError,
    NotSent,
    ResultTimeout,
    SettingsError,
    TaskFailed,
    UnknownQueueError,
    UnknownTaskError,
)
from fw_worker.cli.exit_codes import exit_code


def test_the_help_names_every_command(fw):
    shown = fw("--help").stdout
    for name in ("demo", "dev", "worker", "tasks", "send", "result", "workflow", "db", "bench"):
        assert f"\n  {name} " in shown


@pytest.mark.parametrize(
    "words",
    [["demo"], ["dev"], ["worker"], ["tasks"], ["send"], ["result"], ["workflow", "run"],
     ["db", "upgrade"], ["bench"]],
    ids=" ".join,
)  # fmt: skip
def test_every_command_can_answer_in_json(fw, words):
    assert "--json" in fw(*words, "--help").stdout


def test_the_help_loads_neither_celery_nor_the_database():
    """It has to answer at once; each of these takes longer than the help itself."""
    program = (
        "import sys\n"
        "from fw_worker.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "heavy = {'celery', 'kombu', 'sqlalchemy', 'alembic', 'pydantic', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_misspelt_command_comes_with_the_nearest(fw):
    assert "Did you mean 'worker'?" in fw("workr", code=2).stderr


def test_the_version_is_that_of_the_package(fw):
    from importlib.metadata import version

    assert fw("--version").stdout == f"fw {version('fw-worker')}\n"


@pytest.mark.parametrize(
    "error,code",
    [
        (CallError("what", "why", "fix"), 2),
        (SettingsError("what", "why", "fix"), 2),
        (UnknownTaskError(name="a", known=[]), 2),
        (UnknownQueueError(queue="a", known=[], user="x"), 2),
        (NotSent(task="a", task_id="1", broker="b", cause="c"), 1),
        (ResultTimeout(task_id="1", seconds=1, state="PENDING"), 1),
        (
            TaskFailed(
                task="a", task_id="1", error_type="E", error_message="", traceback="", attempts=1
            ),
            1,
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_exit_code_says_whether_the_call_or_the_world_is_at_fault(error, code):
    assert exit_code(error) == code


def test_a_setting_that_cannot_work_is_named_and_no_traceback_shown(fw, tasks, monkeypatch):
    monkeypatch.setenv("FW_LOG_LEVEL", "LOUD")
    said = fw("tasks", code=2)
    assert "FW_LOG_LEVEL" in said.stderr
    assert said.stdout == ""


def test_a_password_in_a_wrong_url_is_not_shown(fw, tasks, monkeypatch):
    monkeypatch.setenv("FW_BROKER_URL", "redis://user:geheim@host")
    said = fw("tasks", code=2)
    assert "redis" in said.stderr
    assert "geheim" not in said.output
