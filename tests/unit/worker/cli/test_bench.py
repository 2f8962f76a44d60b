"""``fw bench``: how it answers; that it measures is tested with its real workers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_worker.bench import figures
from fw_worker.bench.figures import Figures

FOUND = Figures(
    broker="amqp://guest:***@broker//",
    results="postgresql://fw:***@db/fw",
    processes=2,
    calls=5000,
    sent=[0.001] * 9 + [0.011],
    sent_together=10_000.0,
    executed=8000.0,
    executed_kept=6000.0,
    round_trips=[0.002, 0.003, 0.004],
    lost=0,
    repeated=3,
    back_after=1.25,
)


@pytest.fixture
def asked(monkeypatch):
    """What was asked to be measured."""
    found = []

    def measure(say, **how):
        say("a call")
        found.append(how)
        return FOUND

    monkeypatch.setattr("fw_worker.bench.measuring.measure", measure)
    return found


def test_the_table_says_how_many_a_second_and_how_long(fw, asked, declaring):
    said = fw("bench", "--calls", "500", "--concurrency", "3")
    assert asked == [{"calls": 500, "processes": 3}]
    assert "p50 1.0 ms, p95 11.0 ms" in said.stdout
    assert "0 lost, 3 run twice, all done 1.2 s later" in said.stdout
    assert "… a call" in said.stderr


def test_json_has_every_number_and_nothing_else(fw, asked, declaring):
    said = fw("bench", "--json")
    found = json.loads(said.stdout)
    assert said.stderr == ""
    assert found["delay"] == {"per_second": 500.0, "p50": 0.001, "p95": 0.011, "p99": 0.011}
    assert found["round_trip"]["all"] == [0.002, 0.003, 0.004]
    assert found["worker_killed"] == {"lost": 0, "repeated": 3, "back_after": 1.25}


@given(st.lists(st.floats(1e-6, 100), min_size=1, max_size=300), st.integers(1, 20))
def test_the_plot_counts_all_but_the_longest_in_a_hundred(seconds, lines):
    shown = figures.plot(seconds, lines=lines)
    assert len(shown) == lines
    counted = sum(int(line.rpartition(" ")[2]) for line in shown)
    longest = figures.percentiles(seconds)["p99"]
    assert counted == sum(each <= longest for each in seconds)
    assert counted >= 0.99 * len(seconds)
