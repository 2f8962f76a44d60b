"""The public API, as two strict type checkers see it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TYPING = ROOT / "tests" / "typing"
MYPY, PYRIGHT = "# type: ignore[", "# pyright: ignore["
COMMANDS = {
    "mypy": ["mypy", "--no-error-summary", str(TYPING)],
    "pyright": ["pyright", "--pythonpath", sys.executable, str(TYPING)],
}


def run(tool: str) -> subprocess.CompletedProcess[str]:
    name, *arguments = COMMANDS[tool]
    program = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    return subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("tool", COMMANDS)
def test_exactly_the_marked_lines_are_errors(tool):
    """An error without its mark fails, and so does a mark without its error.

    mypy's ``warn_unused_ignores`` and pyright's ``reportUnnecessaryTypeIgnoreComment`` see to the
    second; a file that must pass has no marks.
    """
    ran = run(tool)

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(("tool", "mark"), [("mypy", MYPY), ("pyright", PYRIGHT)])
def test_a_mark_without_an_error_is_an_error(tool, mark, tmp_path):
    """Else the test above would prove nothing."""
    config = ROOT / "pyproject.toml"
    (tmp_path / "pyproject.toml").write_text(
        config.read_text()
        .replace('"tests/typing"', '"."')
        .replace('"packages/', f'"{ROOT}/packages/')
    )
    code = {"mypy": "arg-type]", "pyright": "reportArgumentType]"}[tool]
    (tmp_path / "harmless.py").write_text(
        f"from fw_core import RetryPolicy\n\nRetryPolicy(retries=3)  {mark}{code}\n"
    )
    name, *_ = COMMANDS[tool]
    program = shutil.which(name, path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip(f"{name} is not installed")
    options = ["--pythonpath", sys.executable] if tool == "pyright" else []

    ran = subprocess.run(
        [program, *options, "harmless.py"], cwd=tmp_path, capture_output=True, text=True
    )

    assert ran.returncode == 1
    assert re.search(r"(?i)harmless\.py:3.*(unused|unnecessary)", ran.stdout), ran.stdout


def test_every_line_that_must_fail_must_fail_in_both():
    marked = [
        line for line in (TYPING / "must_fail.py").read_text().splitlines()
        if MYPY in line or PYRIGHT in line
    ]  # fmt: skip

    assert len(marked) > 30
    assert [line for line in marked if MYPY not in line or PYRIGHT not in line] == []
