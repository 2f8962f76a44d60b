"""Ends a worker whose event loop hangs: a thread that waits for a sign of it, now and then.

Time counts only while the thread itself runs. So a machine that sleeps, a container that is paused
or a body that holds the interpreter for long raises no alarm: the thread stood still as well. It
holds no lock while it waits, so that a fork takes none with it.
"""

from __future__ import annotations

import faulthandler
import os
import threading
import time
from collections.abc import Callable

from fw_worker import logs

TICK_SECONDS = 5.0
PATIENCE = 5
"""Ticks without a sign of the loop after which it hangs: 25 s."""

EXIT_CODE = 1


class Watchdog:
    """Waits for signs of life.

    Args:
        is_off: Asked before it bites; True: something else sees to the end of this process.
        bite: Ends the process.
        sleep: Waits between two looks.
    """

    def __init__(
        self,
        is_off: Callable[[], bool],
        bite: Callable[[], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._is_off = is_off
        self._bite = bite or _end
        self._sleep = sleep
        self._left: int | None = PATIENCE
        self._is_running = False

    def start(self) -> None:
        """Begin to wait; only where the loop runs in the main thread, so in a worker's process."""
        if self._is_running or threading.current_thread() is not threading.main_thread():
            return
        self._is_running = True
        threading.Thread(target=self.run, name="fw-watchdog", daemon=True).start()

    def feed(self, ticks: int | None = PATIENCE) -> None:
        """A sign of life, which lasts for so many ticks; None: until the next one."""
        self._left = ticks

    def run(self) -> None:
        """Look now and then, until there is a reason to end the process."""
        while not self._is_off():
            self._sleep(TICK_SECONDS)
            left = self._left
            if left is None:
                continue
            if left <= 0:
                break
            self._left = left - 1
        if not self._is_off():
            self._bite()


def _end() -> None:
    logs.say_at_once(
        f"The worker hangs: nothing has been taken for {PATIENCE * TICK_SECONDS:g} s. It ends, "
        "so that it can be started again. What hangs:"
    )
    faulthandler.dump_traceback(all_threads=True)
    os._exit(EXIT_CODE)
