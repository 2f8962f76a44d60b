"""Each fault has the same verdict on the fake broker and on real services.

The same program runs in both: calls that keep a result and calls that do not, one that is retried,
one that fails, and a chain. What the bodies noted and what the results say is compared with what
is written here.
"""

from __future__ import annotations

from collections import Counter

import faulty_tasks
import pytest
from collected import wait_until

from fw_core import TaskFailed
from fw_testing.faults import FAULTS

UNDISTURBED = {
    "keeps attempt 1": 2,
    "doubles attempt 1": 1,
    "forgets attempt 1": 1,
    "fails_once attempt 1": 1,
    "fails_once attempt 2": 1,
    "fails attempt 1": 1,
}

VERDICTS = {
    # What keeps its result is not run again; what failed, or keeps none, is.
    "redelivered": {
        **UNDISTURBED,
        "forgets attempt 1 again": 1,
        "fails_once attempt 1 again": 1,
        "fails attempt 1 again": 1,
    },
    "duplicated": {
        **UNDISTURBED,
        "forgets attempt 1": 2,
        "fails_once attempt 1": 2,
        "fails attempt 1": 2,
    },
    "crash_before_run": {
        "keeps attempt 2": 2,
        "doubles attempt 2": 1,
        "forgets attempt 2": 1,
        "fails_once attempt 2": 1,
    },
    "crash_after_run": {
        **UNDISTURBED,
        "keeps attempt 2": 2,
        "doubles attempt 2": 1,
        "forgets attempt 2": 1,
    },
    "slow": {
        **UNDISTURBED,
        "keeps attempt 2": 2,
        "doubles attempt 2": 1,
        "forgets attempt 2": 1,
        "fails_once attempt 3": 1,  # its first attempt that gets to the end is the slow one
    },
    "publish_fails": UNDISTURBED,
    "broker_down": UNDISTURBED,
    "database_down": UNDISTURBED,
}


@pytest.fixture
def journal(tmp_path, monkeypatch):
    path = tmp_path / "journal"
    path.touch()
    monkeypatch.setenv(faulty_tasks.JOURNAL, str(path))
    return path


def _send():
    return (
        faulty_tasks.keeps.delay(1),
        (faulty_tasks.keeps.s(2) | faulty_tasks.doubles.s()).apply_async(),
        faulty_tasks.fails_once.delay(3),
        faulty_tasks.fails.delay(4),
        faulty_tasks.forgets.delay(5),
    )


def _check(fault, journal, kept, chained, retried, failed):
    assert (kept.get(), chained.get(), retried.get()) == (1, 4, 3)
    with pytest.raises(TaskFailed):
        failed.get()
    assert Counter(journal.read_text().splitlines()) == VERDICTS[fault]


@pytest.mark.faults
def test_the_verdict_on_the_fake_broker(fw_eager, fw_fault, journal):
    *results, _ = _send()
    _check(fw_fault.name, journal, *results)


@pytest.mark.faults
def test_the_verdict_on_real_services(fw_services, fw_live_worker, fw_fault, journal):
    *results, _ = _send()
    # Only now, or a copy that a busy machine sends late comes when its call has succeeded.
    fw_live_worker("faulty_tasks", env={faulty_tasks.JOURNAL: str(journal)})

    def is_over():
        return len(journal.read_text().splitlines()) >= sum(VERDICTS[fw_fault.name].values())

    wait_until(is_over, journal.read_text)
    _check(fw_fault.name, journal, *results)


def test_every_fault_has_a_verdict():
    assert VERDICTS.keys() == FAULTS.keys()
