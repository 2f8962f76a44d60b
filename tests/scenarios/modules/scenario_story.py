"""Rows become text, one block for each call, so that a difference can be read."""

from __future__ import annotations

import difflib
import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fw_core.results.rows import ResultRow
from fw_worker.dead_letters.letter import DeadLetter

Row = dict[str, Any]
_MOST = 60
_TEST = "the test"
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass
class Call:
    """All that is known of one call."""

    id: str
    name: str = ""
    sent: list[Row] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    open: int | None = None
    """The attempt that has started and not ended."""
    is_watched: bool = False


def story(
    rows: Sequence[Row],
    results: Mapping[str, ResultRow],
    letters: Iterable[DeadLetter],
    *,
    prefix: str = "",
) -> str:
    """What happened, in the form in which scenarios write it.

    The order is that of the recording within a call; calls are in the order of the alphabet.

    Args:
        rows: The recorder's rows of one scenario, in their order.
        results: The stored results, by the call's id.
        letters: The dead letters, oldest first.
        prefix: What stands before each queue's name.
    """
    calls: dict[str, Call] = {}
    for row in rows:
        call = calls.setdefault(row["id"], Call(row["id"]))
        if "args" in row:
            call.name = call.name or _called(row["task"], row["args"], row["kwargs"])
        if row["kind"] == "watched":
            call.name, call.is_watched = row["name"], True
        elif row["kind"] == "sent":
            parent = calls.get(row["parent"] or "")
            is_after = parent is not None and parent.open is None
            call.sent.append({**row, "parent_call": parent, "is_after": is_after})
        elif row["kind"] == "started":
            _close(call)
            call.open = row["attempt"]
        else:
            call.open = None
            call.lines.append(f"{row['attempt']}: {_outcome(row)}")
    for call in calls.values():
        _close(call)
    for id_, result in results.items():
        calls.setdefault(id_, Call(id_)).lines.append(_result(result))
    dead: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        dead.setdefault(letter.task_id or letter.dead_id, []).append(letter)
    for id_, own in dead.items():
        call = calls.setdefault(id_, Call(id_))
        call.name = call.name or _name_of(own[0])
        call.lines += sorted(map(_dead, own))  # in virtual time they die at the same moment
    blocks = ["\n    ".join([_head(call, prefix), *call.lines]) for call in calls.values()]
    return "\n".join(sorted(blocks))


def canonical(events: str) -> str:
    """A written story in the order of the recorded ones."""
    blocks: list[str] = []
    for line in textwrap.dedent(events).splitlines():
        if line.startswith(" "):
            blocks[-1] += f"\n    {line.strip()}"
        elif line:
            blocks.append(line)
    return "\n".join(sorted(blocks))


def started_in_order(rows: Sequence[Row]) -> list[str]:
    """The calls in the order in which their first attempts started."""
    first = {row["id"]: row for row in reversed(rows) if row["kind"] == "started"}
    return [
        _called(row["task"], row["args"], row["kwargs"])
        for row in rows
        if first.get(row["id"]) is row
    ]


def difference(written: str, recorded: str) -> str:
    """What is different between a written story and a recorded one; empty if nothing is."""
    wanted, found = canonical(written), canonical(recorded)
    if wanted == found:
        return ""
    lines = difflib.ndiff(wanted.splitlines(), found.splitlines())
    shown = "\n".join(line.rstrip() for line in lines if not line.startswith("?"))
    return f"- is written and did not happen, + happened and is not written:\n{shown}"


def _close(call: Call) -> None:
    """An attempt that started and did not end, or was not run."""
    if call.open is not None:
        call.lines.append(f"{call.open}: started")
        call.open = None


def _head(call: Call, prefix: str) -> str:
    """The call, and by whom it was sent and where to, if not by the test to the default queue."""
    if call.is_watched:
        return call.name
    if not call.sent:
        return f"{call.name or '(no call)'} from elsewhere"
    first = call.sent[0]
    parts = [call.name]
    if len(call.sent) > 1:
        parts.append(f"sent {len(call.sent)} times")
    parent = first["parent_call"]
    if parent is not None:
        is_join = first["is_after"] and parent.sent and parent.sent[0]["joins"]
        when = "after" if first["is_after"] else "by"
        parts.append("after its join" if is_join else f"{when} {parent.name}")
    elif first["parent"]:
        parts.append("by an unknown call")
    queue = first["queue"].removeprefix(prefix)
    if queue != "default":
        parts.append(f"to {queue}")
    parts += [word for word in ("delayed", "expires") if first[word]]
    if first["priority"]:
        parts.append(f"priority {first['priority']}")
    return " ".join(parts)


def _outcome(row: Row) -> str:
    outcome = row["outcome"]
    again = " (came again)" if row["again"] else ""
    if outcome == "succeeded":
        return f"succeeded {_value(row['value'])}{again}"
    if outcome == "failed":
        return f"failed {_text(row['error'])}{again}"
    wait = f"{row['wait']:g} s"
    if outcome == "later":
        return f"later in {wait}{again}"
    return f"retry in {wait} after {_text(row['error'])}{again}"


def _result(result: ResultRow) -> str:
    if result.error is not None:
        said = _text(f"{result.error.type}: {result.error.message}")
    else:
        said = _value(None if result.result is None else json.loads(result.result))
    attempts = f" after {result.attempts} attempts" if result.attempts != 1 else ""
    return f"result {result.state} {said}{attempts}"


def _dead(letter: DeadLetter) -> str:
    state = "" if letter.state == "dead" else f" ({letter.state})"
    return f"dead{state} {letter.cause}: {_text(letter.reason)}"


def _name_of(letter: DeadLetter) -> str:
    if letter.task_name is None:
        return ""
    call = json.loads(letter.arguments) if letter.arguments else {"args": [], "kwargs": {}}
    return _called(letter.task_name, call["args"], call["kwargs"])


def _called(task: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    shown = [_value(value) for value in args]
    shown += [f"{name}={_value(value)}" for name, value in kwargs.items()]
    return f"{_short(task)}({', '.join(shown)})"


def _short(name: str) -> str:
    return re.sub(r"\bscenarios_\w+\.", "", name)


def _value(value: Any) -> str:
    return _text(repr(value))


def _text(text: str) -> str:
    """In one line, without the names of modules and what is random."""
    line = _ID.sub("<id>", _short(" ".join(text.split())))
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
    return line if len(line) <= _MOST else f"{line[:_MOST]}… ({len(line)})"
