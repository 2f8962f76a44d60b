"""How large the arguments of one call may be."""

from __future__ import annotations

from fw_core.call.arguments import Checked
from fw_core.errors import CallError


def check_size(task: str, checked: Checked, *, limit: int) -> None:
    """Refuse what is too much for one message.

    Raises:
        CallError: the arguments take more than ``limit`` bytes as JSON.
    """
    from kombu.utils.json import dumps  # what Celery will send, it writes by this

    size = len(dumps((checked.args, checked.kwargs)).encode())
    if size > limit:
        raise CallError(
            f"{task}: the arguments take {size:,} bytes as JSON, more than {limit:,}.",
            "Large messages slow every queue they pass and can be refused by the broker.",
            "store the data and send where it is, such as a key or an id.",
        )
