"""The waits that a test expects between the attempts of a call, and those that there were."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from fw_testing.showing import are_equal


def same_waits(wanted: Any, seconds: Sequence[float]) -> bool:
    """Whether the waits are those that were expected, to a millionth of a second."""
    return are_equal(_in_seconds(wanted), [round(each, 6) for each in seconds])


def show_waits(waits: Any) -> str:
    """The waits in a line: ``[3, 9, 27]``."""
    waits = _in_seconds(waits)
    if not isinstance(waits, list):
        return repr(waits)
    shown = [f"{wait:g}" if isinstance(wait, (int, float)) else repr(wait) for wait in waits]
    return f"[{', '.join(shown)}]"


def _in_seconds(waits: Any) -> Any:
    """Waits as numbers; what is no list of them knows itself what it is equal to."""
    if not isinstance(waits, (list, tuple)):
        return waits
    return [_one_in_seconds(each) for each in waits]


def _one_in_seconds(wait: Any) -> Any:
    if isinstance(wait, timedelta):
        return wait.total_seconds()
    return round(wait, 6) if isinstance(wait, float) else wait
