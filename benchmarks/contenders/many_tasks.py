"""As many tasks as GROWTH_TASKS says, and the one that is measured."""

import os

from contenders.journal import note
from fw_core import task_framework

_MANY = "\n".join(
    f"@task_framework\ndef task_{number}(order_id: int, note: str = '') -> str: return note\n"
    for number in range(int(os.environ.get("GROWTH_TASKS", "0")))
)
exec(_MANY)


@task_framework(ignore_result=True)
def ignored(text: str) -> None:
    """Do nothing."""
    note()
