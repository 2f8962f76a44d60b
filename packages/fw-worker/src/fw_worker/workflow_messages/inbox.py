"""What a worker holds of the messages that start workflows: given to its pool, or waiting.

All of it runs in the first process, which never waits: for a database or a broker the pool does.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from kombu import Consumer

from fw_worker.workflow_messages.delivery import Answer, Delivery, Verdict
from fw_worker.workflow_messages.start import start_in_pool

HELD = 10
"""Messages that a worker has at a time; the others wait for another one, or for these."""

LONGEST_PAUSE = 30.0

_logger = logging.getLogger("fw.worker")


@dataclass(eq=False, slots=True)
class Held:
    """A message that is not settled.

    Attributes:
        message: The message.
        delivery: What the pool gets of it.
        since: When it came, in seconds of ``time.monotonic``.
    """

    message: Any
    delivery: Delivery
    since: float


class Inbox:
    """The messages of one worker that start workflows.

    Args:
        consumer: The worker's consumer.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._app = consumer.app
        self._waiting: deque[Held] = deque()
        self._running: set[Held] = set()
        self._asked = 0  # how many processes of the pool were asked for
        self._failures = 0  # tries since one was to the end
        self._pause: Any = None
        self._taker: Any = None

    def begin(self) -> None:
        """Take messages, on a channel of the worker's connection."""
        consumer, settings = self._consumer, self._app.settings
        if consumer.controller.stopping.is_told:
            return
        self._taker = Consumer(
            consumer.connection.channel(),
            queues=[self._app.topology.task_queue(settings.workflow_queue)],
            on_message=self._take,
            auto_declare=False,
            tag_prefix="fw-workflows-",
        )
        # What kombu cannot unpack is a dead letter like any other.
        self._taker.on_decode_error = lambda message, _: self._take(message)
        self._taker.qos(prefetch_count=HELD)
        self._taker.consume()

    @property
    def room(self) -> dict[str, int]:
        """How many messages it takes at a time, by its queue's name; none before it begins."""
        return {} if self._taker is None else {self._taker.queues[0].name: HELD}

    def take_no_more(self) -> None:
        """The worker ends; the connection's errors are the caller's."""
        if self._taker is not None:
            self._taker.cancel()

    def give_back(self) -> int:
        """Give back what the pool has not got; returns how many there were."""
        self._end_pause()
        self._asked = 0
        count = len(self._waiting)
        while self._waiting:
            message = self._waiting.popleft().message
            message.reject_log_error(_logger, self._consumer.connection_errors, requeue=True)
        return count

    def lost(self) -> None:
        """The connection is gone: the broker gives its messages out again."""
        self._end_pause()
        self._waiting.clear()
        self._running.clear()
        self._asked = 0
        self._taker = None

    def _take(self, message: Any) -> None:
        delivery = Delivery.of_message(self._app, message, worker=self._consumer.hostname)
        self._waiting.append(Held(message, delivery, time.monotonic()))
        if not self._stopping.is_told:  # else it is given back with the others
            self._stopping.taken.add(message)
            self._go_on()

    def _go_on(self) -> None:
        """Ask for a process for each message that may be tried now."""
        while self._asked < min(len(self._waiting), self._room()):
            self._asked += 1
            if self._is_counted:
                self._consumer.controller.semaphore.acquire(self._try_next)
            else:
                self._try_next()

    def _room(self) -> int:
        """How many more may be tried at a time: only one, until one has got to its end."""
        if self._pause is not None or self._stopping.is_told:
            return 0
        return HELD if not self._failures else 1 - len(self._running)

    def _try_next(self) -> None:
        """A process is free."""
        self._asked = max(self._asked - 1, 0)
        if not self._waiting or not self._room() > 0:
            if self._is_counted:
                self._consumer.controller.semaphore.release()
            return
        held = self._waiting.popleft()
        self._running.add(held)
        is_old = time.monotonic() - held.since > self._app.settings.broker_consumer_timeout / 2
        self._consumer.pool.apply_async(
            start_in_pool,
            args=(replace(held.delivery, is_old=is_old),),
            callback=partial(self._answered, held),
            error_callback=partial(self._answered, held, None),
        )

    def _answered(self, held: Held, answer: Any, *_: Any, **__: Any) -> None:
        """Called in a thread of the pool where it has threads."""
        self._consumer.call_soon_ack(self._settle, held, answer)

    def _settle(self, held: Held, answer: Any) -> None:
        if held not in self._running:  # its connection is gone
            return
        self._running.discard(held)
        errors = self._consumer.connection_errors
        if not isinstance(answer, Answer):  # a thread that failed says something else
            held.delivery = replace(held.delivery, deaths=held.delivery.deaths + 1)
            answer = Answer(Verdict.NOT_NOW, "the process that tried it has ended")
        if answer.verdict is Verdict.DONE:
            self._failures = 0
            held.message.ack_log_error(_logger, errors)
        elif answer.verdict is Verdict.NOT_NOW and not self._stopping.is_told:
            self._waiting.appendleft(held)
            self._wait(answer.why)
        else:
            is_back = answer.verdict is not Verdict.THROWN_OUT
            held.message.reject_log_error(_logger, errors, requeue=is_back)
        self._go_on()

    def _wait(self, why: str) -> None:
        self._failures += 1
        if self._pause is not None:
            return
        seconds = min(2.0 ** (self._failures - 1), LONGEST_PAUSE)
        _logger.warning("Messages that start workflows wait for %.0f s: %s", seconds, why)
        self._pause = self._consumer.timer.call_after(seconds, self._pause_is_over)

    def _pause_is_over(self) -> None:
        self._pause = None
        self._go_on()

    def _end_pause(self) -> None:
        pause, self._pause = self._pause, None
        if pause is not None:
            with suppress(Exception):  # it may be over just now
                pause.cancel()

    @property
    def _is_counted(self) -> bool:
        """Whether the pool counts its free processes; it takes one back when a job is done."""
        return bool(self._consumer.pool.uses_semaphore and self._consumer.controller.semaphore)

    @property
    def _stopping(self) -> Any:
        return self._consumer.controller.stopping
