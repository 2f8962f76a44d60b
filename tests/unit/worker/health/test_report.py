"""A worker's report: what is read from it, and when it is believed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from fw_worker.health.report import CollectorReport, Report, look, remove, trouble, write

WELL = Report(
    worker="fw-1@here", pid=1, at=100, until=125, state="consuming", since=50, queues={"mail": 3}
)


def test_a_report_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "health"
    write(path, WELL)
    assert look(path, now=100) == (WELL, "")
    collected = replace(WELL, collector=CollectorReport(is_alive=True, kept=99.5, unsettled=2))
    write(path, collected)
    assert look(path, now=100) == (collected, "")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "report,now,said",
    [
        (WELL, 125, ""),
        (WELL, 131, "has not looked for messages for 31 s"),
        (replace(WELL, state="stopping"), 125, ""),
        (replace(WELL, dead=9, collector=CollectorReport(is_alive=False)), 125, ""),
        (replace(WELL, dead=9, collector=CollectorReport(is_alive=True, stuck=115)), 125, ""),
        (
            replace(WELL, dead=9, collector=CollectorReport(is_alive=True, stuck=120)),
            125,
            "for 120 s: the collector beside the worker stands still, and fw dead list lacks 9",
        ),
        (
            replace(WELL, state="stopping", collector=CollectorReport(is_alive=False, stuck=120)),
            125,
            "",
        ),
        (replace(WELL, state="connecting"), 101, "connecting to the broker for 51 s"),
    ],
)
def test_a_worker_is_well_that_takes_messages_and_says_so(report, now, said):
    line = trouble(report, now=now)
    assert said in line
    assert bool(said) == bool(line)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"collector": 7}'])
def test_what_is_no_report_is_trouble(tmp_path, text):
    path = tmp_path / "health"
    path.write_text(text)
    assert "cannot be read" in look(path, now=0)[1]


def test_a_worker_that_has_been_stopped_leaves_no_report(tmp_path):
    path = tmp_path / "health"
    write(path, WELL)
    remove(path)
    remove(path)
    assert "is not there" in look(path, now=0)[1]


def test_no_file_to_look_at_is_trouble():
    assert "FW_HEALTH_FILE is not set" in look(None, now=0)[1]


def test_the_container_s_check_imports_little(tmp_path):
    """It runs every few seconds beside the worker."""
    program = (
        "import sys, fw_worker.health.__main__\n"
        "print(sorted({'celery', 'kombu', 'pydantic', 'click', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
