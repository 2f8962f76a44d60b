"""How a worker ends: it takes no more, gives back, finishes what it can in time, and exits with 0.

::

    SIGTERM, Ctrl+C ─▶ takes no more messages
                       gives back those that no attempt runs for
                       lets the others end ─(within stop_timeout)─▶ exits
                                           └(or not)─▶ stops them ─▶ exits
    Ctrl+C again, SIGQUIT ────────────────────────────▶ stops them ─▶ exits

A message whose attempt was stopped is not settled, so the broker gives it to another worker.
A signal that reaches the processes of the pool as well, as systemd sends it, does not end them.

Celery's own warm shutdown waits without limit and holds on to what it has fetched; its soft one
sleeps where results are read. So the event loop goes on here as before until nothing runs, and
Celery's shutdown comes after that. A thread has the last word, whatever the main one does: in the
pool solo that is the body itself, and at the end it may wait for a thread that the team started.
"""

from __future__ import annotations

import _thread
import logging
import os
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from billiard.common import REMAP_SIGTERM
from celery import bootsteps, signals
from celery.platforms import EX_OK
from celery.utils.threads import bound_open_broker_sockets
from celery.worker import state
from celery.worker.control import Panel

from fw_worker import logs, told
from fw_worker.again import at_this_moment
from fw_worker.submitted import Submitted
from fw_worker.taken import Taken

CLEANUP_SECONDS = 2.0
"""What a body gets in a process that is stopped, for its ``finally`` blocks."""

_BROKER_SECONDS = 3.0
_LOOK_SECONDS = 0.1

_logger = logging.getLogger("fw.worker")


class StopInTime(bootsteps.StartStopStep):  # type: ignore[misc]
    """Makes a worker end in time, however it was started: ``fw worker`` or Celery's command."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, w: Any, **options: Any) -> None:
        super().__init__(w, **options)
        w.stopping = None

    def create(self, w: Any) -> Stopping:
        """Look after this worker's end."""
        w.stopping = Stopping(w)
        return w.stopping  # type: ignore[no-any-return]

    def register_with_event_loop(self, w: Any, hub: Any) -> None:
        """Hear of a signal in the loop."""
        w.stopping.listen_in(hub)

    def info(self, w: Any) -> dict[str, Any]:
        """Nothing for Celery's statistics."""
        return {}


class Stopping:
    """The end of one worker.

    Attributes:
        taken: The messages that the worker was given.
        is_told: Whether it was told to stop.
    """

    def __init__(self, worker: Any) -> None:
        self.taken = Taken()
        self.is_told = False
        self._worker = worker
        self._pid = os.getpid()
        self._seconds: float = worker.app.settings.stop_timeout
        self._deadline = 0.0
        self._has_begun = False
        self._late: list[Any] = []
        self._heard, self._tell = os.pipe()  # wakes the loop
        self._hurried, self._hurry = os.pipe()  # wakes the thread with the last word
        self._submitted = Submitted()
        if threading.current_thread() is threading.main_thread():
            told.begin()  # before the pool forks

    def start(self) -> None:
        """Take the signals over from Celery, which has waited for none that could be lost."""
        pool = self._worker.pool
        if _kind(pool) == "thread":
            self._submitted.take_note(pool)
        if threading.current_thread() is not threading.main_thread():
            return  # a worker inside a test's process does not own its signals
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._on_signal)
        # Celery's own would wait for the attempts without limit. Flower has a button for it.
        Panel.data["shutdown"] = _on_remote_shutdown

    def stop(self) -> None:
        """Celery's own shutdown goes on from here."""

    def listen_in(self, hub: Any) -> None:
        """Let ``hub`` begin the end when a signal has come."""
        hub.add_reader(self._heard, self._on_told, hub)

    def meanwhile(self) -> None:
        """Where no loop runs, since there is no broker: go when told to.

        Raises:
            WorkerShutdown: the worker was told to stop.
        """
        if self.is_told:
            state.should_stop = EX_OK
        state.maybe_shutdown()

    # In the signal handler: nothing here may wait for a lock that the main thread may hold.

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a process of the pool that is not set up yet
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
            return
        now = signum == signal.SIGQUIT or (self.is_told and signum == signal.SIGINT)
        now = now or (signum == signal.SIGTERM and REMAP_SIGTERM == "SIGQUIT")
        if self.is_told and not now:
            return
        name = signal.Signals(signum).name
        self._deadline = time.monotonic() + (0 if now else self._seconds)
        logs.say_at_once(self._intention(name, now=now))
        if not self.is_told:
            self.is_told = True
            told.tell(told.Told.TO_STOP)
            self._hold_back()
            _thread.start_new_thread(self._have_the_last_word, ())
            os.write(self._tell, b"!")
            signals.worker_shutting_down.send(
                sender=self._worker.hostname,
                sig=name,
                how="Cold" if now else "Warm",
                exitcode=EX_OK,
            )
        os.write(self._hurry, b"!")

    def _intention(self, name: str, *, now: bool) -> str:
        running = len(state.active_requests)
        attempts = f"{running} attempt{'s' * (running != 1)} still running"
        if now:
            return f"Stopping now ({name}): {attempts}; the messages go back"
        if not running:
            return f"Stopping ({name}): takes no more messages"
        return (
            f"Stopping ({name}): takes no more messages; waits up to {self._seconds:g} s for "
            f"{attempts}"
        )

    def _hold_back(self) -> None:
        """What still comes is kept aside: given back while we consume, it would come again."""
        consumer = getattr(self._worker.consumer, "task_consumer", None)
        if consumer is not None:
            consumer.on_message = self._late.append

    # In the event loop.

    def _on_told(self, hub: Any) -> None:
        os.read(self._heard, 1)
        hub.remove_reader(self._heard)
        if not self._has_begun:
            self._has_begun = True
            if time.monotonic() < self._deadline:
                self._take_no_more()
                self._give_back()
            hub.call_repeatedly(_LOOK_SECONDS, self._look)

    def _take_no_more(self) -> None:
        consumer = self._worker.consumer
        self._hold_back()
        bound_open_broker_sockets(consumer.connection, _BROKER_SECONDS)
        with suppress(*consumer.connection_errors, *consumer.channel_errors):
            consumer.task_consumer.cancel()
            if consumer.workflows is not None:
                consumer.workflows.take_no_more()

    def _give_back(self) -> None:
        consumer = self._worker.consumer
        if self._worker.semaphore is not None:
            self._worker.semaphore.clear()
        if consumer.ahead is not None:
            consumer.ahead.clear()
        reserved = at_this_moment(state.reserved_requests)
        waiting = [request for request in reserved if not self._is_started(request)]
        for bucket in filter(None, consumer.task_buckets.values()):  # held by a rate limit
            waiting += [request for request, _ in bucket.contents]
            bucket.clear_pending()
        for request in waiting:
            request.reject(requeue=True)
            state.task_ready(request)
        for message in self._late:
            message.reject_log_error(_logger, consumer.connection_errors, requeue=True)
        count = len(waiting) + len(self._late)
        self._late.clear()
        if consumer.workflows is not None:
            count += consumer.workflows.give_back()
        if count:
            _logger.info(
                "Gave back %d message%s that no attempt had begun with", count, "s" * (count != 1)
            )

    def _is_started(self, request: Any) -> bool:
        """Whether the pool has it, which starts it at once or, in threads, when one is free."""
        is_taken_back = self._submitted.take_back(request)
        if is_taken_back is not None:
            return not is_taken_back
        return request._apply_result is not None

    def _look(self) -> None:
        if not state.reserved_requests and not self.taken.unsettled():
            state.should_stop = EX_OK
        elif time.monotonic() >= self._deadline:
            self._stop_hard()

    def _stop_hard(self) -> None:
        running = len(state.active_requests)
        _logger.warning(
            "%d attempt%s stopped before the end; another worker runs what was begun",
            running,
            "s were" if running != 1 else " was",
        )
        told.tell(told.Told.TO_END_ITS_PROCESSES)
        children = self._children()
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + CLEANUP_SECONDS
        while any(map(_lives, children)) and time.monotonic() < end:
            time.sleep(0.02)
        self._end()

    # In a thread of its own.

    def _have_the_last_word(self) -> None:
        more = CLEANUP_SECONDS + 1 if _kind(self._worker.pool) == "prefork" else 0
        while (left := self._deadline + more - time.monotonic()) > 0:
            if select.select([self._hurried], [], [], left)[0]:
                os.read(self._hurried, 1)
        self._end()

    def _end(self) -> None:
        """End at once. The kernel closes the connection, and the broker takes the messages back.

        To close it first would let another worker start what still runs in a thread here.
        """
        for pid in self._children():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        logs.say_at_once("Stopped")
        with suppress(Exception):
            sys.stdout.flush()
        os._exit(EX_OK)

    def _children(self) -> list[int]:
        try:
            pids = self._worker.pool.info["processes"]
            return [pid for pid in pids if pid and pid != self._pid]
        except (AttributeError, KeyError, TypeError):  # threads; or a pool that has ended
            return []


def _on_remote_shutdown(state: Any, msg: str = "", **unused: Any) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _kind(pool: Any) -> str:
    return str(type(pool).__module__.rpartition(".")[2])


def _lives(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:  # somebody has taken note of its end
        return False
