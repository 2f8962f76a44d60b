"""When a collector is said to stand still, and when it is not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fw_worker.health.collecting import IDLE_LOOKS, Collecting


def collector(idle_looks=0, **given):
    known = {"is_alive": True, "unsettled": 0, "kept": None, "idle_looks": idle_looks}
    return SimpleNamespace(**{**known, **given})


@pytest.fixture
def collecting():
    return Collecting(tick_seconds=5)


def test_dead_letters_that_wait_for_one_that_stands_still_are_counted(collecting):
    gone = collector(IDLE_LOOKS, is_alive=False)
    for _ in range(24):
        collecting.tick(gone, waiting=1)
    assert collecting.report(gone).stuck == 120


@pytest.mark.parametrize(
    "found,waiting",
    [
        (collector(IDLE_LOOKS - 1), 1),
        (collector(10_000), 0),
        (collector(10_000), None),
        (None, 1),
    ],
    ids=["it goes on", "nothing waits", "nobody knows", "there is to be none"],
)
def test_there_is_no_false_alarm(collecting, found, waiting):
    for _ in range(1000):
        collecting.tick(found, waiting=waiting)
    report = collecting.report(found)
    assert report is None or report.stuck == 0


def test_one_that_goes_on_again_is_forgiven(collecting):
    collecting.tick(collector(IDLE_LOOKS), waiting=1)
    collecting.tick(collector(0), waiting=1)
    assert collecting.report(collector(0)).stuck == 0


def test_what_it_says_is_reported(collecting):
    report = collecting.report(collector(kept=99.0, unsettled=7))
    assert (report.is_alive, report.kept, report.unsettled) == (True, 99.0, 7)
