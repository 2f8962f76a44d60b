"""A program that sends the plan's calls and keeps a file of those that were confirmed.

``python fault_producer.py MODE SEED FIRST COUNT RECORD GATE`` sends COUNT calls from number FIRST:
one after the other, again when a call was not confirmed (``each``; at half of them it waits until
the file GATE exists), in rounds of fifty by ``delay_many`` (``rounds``), or one after the other to
its end (``burst``).
"""

from __future__ import annotations

import os
import sys
import time
from itertools import groupby
from pathlib import Path

from fault_plan import Planned, plan
from fault_tasks import work

from fw_core import MaybeSent, NotSent, ResultStoreError, execute_dynamic_workflow

WORKFLOW = ["faults.first", {"parallel": ["faults.left", "faults.right"]}, "faults.last"]
GIVE_UP_SECONDS = 90.0
ROUND = 50


class Record:
    """The confirmed calls: a line each of its number, how often it may be there, and its id."""

    def __init__(self, path: Path, *, is_synced: bool) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._is_synced = is_synced

    def add(self, *confirmed: tuple[int, int, str]) -> None:
        """Keep them, also when this process is killed next."""
        lines = "".join(f"{number} {times} {id_}\n" for number, times, id_ in confirmed)
        os.write(self._file, lines.encode())
        if self._is_synced:
            os.fsync(self._file)


def send(call: Planned) -> str:
    """Send one call; returns the id under which its result is kept."""
    if call.kind == "workflow":
        return execute_dynamic_workflow(WORKFLOW, call.number, id=f"workflow-{call.number}").id
    if call.kind == "delayed":
        return work.options(delay=call.delay).delay(call.number, False).id
    return work.delay(call.number, call.kind == "fails").id


def send_until_confirmed(call: Planned) -> tuple[int, int, str]:
    """Send one call again until it is confirmed, as a careful caller would."""
    end = time.monotonic() + GIVE_UP_SECONDS
    times = 1
    while True:
        try:
            return call.number, times, send(call)
        except (NotSent, MaybeSent, ResultStoreError) as error:
            times += isinstance(error, MaybeSent)
            if time.monotonic() > end:
                raise


def send_round(calls: list[Planned]) -> list[tuple[int, int, str]]:
    """Send them with one ``delay_many`` for each delay."""
    sent = [(call.number, 1, send(call)) for call in calls if call.kind == "workflow"]
    others = sorted(
        (call for call in calls if call.kind != "workflow"), key=lambda call: call.delay
    )
    for delay, group in groupby(others, key=lambda call: call.delay):
        alike = list(group)
        sender = work.options(delay=delay) if delay else work
        results = sender.delay_many([(call.number, call.kind == "fails") for call in alike])
        sent += [(call.number, 1, result.id) for call, result in zip(alike, results, strict=True)]
    return sent


def main(mode: str, seed: str, first: str, count: str, record_path: str, gate: str) -> None:
    """Send the plan."""
    calls = [plan(int(seed), number) for number in range(int(first), int(first) + int(count))]
    record = Record(Path(record_path), is_synced=mode != "burst")
    if mode == "rounds":
        for start in range(0, len(calls), ROUND):
            record.add(*send_round(calls[start : start + ROUND]))
        return
    for position, call in enumerate(calls):
        if mode == "each" and position == len(calls) // 2:
            _wait_for(Path(gate))
        if mode == "burst":
            record.add((call.number, 1, send(call)))
        else:
            record.add(send_until_confirmed(call))


def _wait_for(gate: Path) -> None:
    end = time.monotonic() + GIVE_UP_SECONDS
    while not gate.exists() and time.monotonic() < end:
        time.sleep(0.02)


if __name__ == "__main__":
    main(*sys.argv[1:])
