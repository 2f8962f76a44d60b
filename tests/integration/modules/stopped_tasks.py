"""Tasks that write down each run, for workers that are stopped half-way."""

from __future__ import annotations

import os
import time
from pathlib import Path

from fw_core import task_framework


def note(text):
    with open("runs", "a") as file:
        file.write(text + "\n")


@task_framework
def long(first: bool = True) -> str:
    """Takes a minute, unless it has been run before."""
    if Path("runs").exists():
        note("again")
        return "done elsewhere"
    note("began")
    try:
        time.sleep(60)
    finally:
        note("cleaned up")
    note("ended")
    return "done here"


@task_framework
def blocks() -> str:
    """Go on until a file says so."""
    Path("pid").write_text(str(os.getpid()))
    note("began")
    while not Path("go").exists():
        time.sleep(0.05)
    note("blocked")
    return "blocked"


@task_framework
def short(number: int) -> int:
    note(f"short {number}")
    time.sleep(0.3)
    return number
