"""How large the arguments of one call may be."""

from __future__ import annotations

import math
from typing import Any

from fw_core.call.arguments import Checked
from fw_core.errors import CallError


def check_size(task: str, checked: Checked, *, limit: int) -> None:
    """Refuse what is too much for one message.

    Raises:
        CallError: the arguments take more than ``limit`` bytes as JSON.
    """
    if _at_most(checked) <= limit:
        return
    from kombu.utils.json import dumps  # what Celery will send, it writes by this

    size = len(dumps((checked.args, checked.kwargs)).encode())
    if size > limit:
        raise CallError(
            f"{task}: the arguments take {size:,} bytes as JSON, more than {limit:,}.",
            "Large messages slow every queue they pass and can be refused by the broker.",
            "store the data and send where it is, such as a key or an id.",
        )


def _at_most(checked: Checked) -> float:
    """Bytes that arguments take at most, where that is quickly said; infinity where it is not.

    JSON writes a character as an escape of six bytes at most, or as two of them.
    """
    size = 16
    for value in (*checked.args, *checked.kwargs, *checked.kwargs.values()):
        if isinstance(value, str):
            size += 12 * len(value) + 4
        elif value is None or isinstance(value, float):
            size += 32
        elif isinstance(value, int):
            size += 32 + value.bit_length()
        else:
            return math.inf
    return size


def check_message_size(task: str, body: Any, size: int, *, limit: int) -> None:
    """Refuse a message whose arguments, or the steps that follow it, are too much.

    Args:
        task: The name of its task.
        body: Arguments, named arguments, and what follows.
        size: How many bytes all of it takes.
        limit: How many it may take.

    Raises:
        CallError: it takes more than ``limit`` bytes.
    """
    if size <= limit:
        return
    args, kwargs, follows = body
    check_size(task, Checked(args, kwargs), limit=limit)
    if any(follows.values()):
        raise CallError(
            f"{task}: with the steps that follow it, the message takes {size:,} bytes as JSON, "
            f"more than {limit:,}.",
            "Large messages slow every queue they pass and can be refused by the broker.",
            "store the data and give the steps where it is, such as a key or an id.",
        )
