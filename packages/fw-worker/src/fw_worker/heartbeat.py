"""A file that is as young as the worker is alive: touched by the loop that takes the messages.

A process that exists can still take nothing: it hangs, or it lost its broker. Here the consumer's
own event loop touches the file named in ``FW_HEARTBEAT_FILE``; what does not turn leaves it to
grow old. ``python -m fw_worker.heartbeat`` looks at its age: the image's health check.

Without the broker the loop does not run, and the worker is unhealthy, which is what it is: nothing
is taken. It mends itself when the broker is back. On the pool ``solo`` the loop stands still while
a task runs; the other pools run tasks elsewhere.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

EVERY_SECONDS = 5.0
TOO_OLD_SECONDS = 30.0

FILE = "FW_HEARTBEAT_FILE"


def heartbeat_file() -> Path | None:
    """The file of this worker; None where nobody asks for one."""
    path = os.environ.get(FILE)
    return Path(path) if path else None


def beat_on(hub: Any) -> None:
    """Touch the file now and then from the consumer's event loop, if there is to be one."""
    path = heartbeat_file()
    if path is None:
        return
    path.touch()
    hub.call_repeatedly(EVERY_SECONDS, path.touch)


def trouble(now: float) -> str:
    """What is wrong with the worker whose file this is, in one line; empty if nothing is."""
    path = heartbeat_file()
    if path is None:
        return f"{FILE} is not set: nobody knows whether this worker takes messages."
    try:
        age = now - path.stat().st_mtime
    except FileNotFoundError:
        return f"{path} is not there: the worker has not taken messages yet."
    if age > TOO_OLD_SECONDS:
        return f"The worker has not looked for messages for {age:.0f} s."
    return ""


def main() -> None:
    """Exit with 0 if the worker takes messages, with 1 and a line that says why not."""
    line = trouble(time.time())
    print(line or "The worker takes messages.", file=sys.stderr if line else sys.stdout)
    sys.exit(1 if line else 0)


if __name__ == "__main__":
    main()
