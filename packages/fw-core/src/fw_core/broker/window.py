"""Many messages in one confirmed round: published one after the other, confirmed meanwhile.

A confirm that is waited for after each message is a round trip each. Here up to ``WINDOW``
messages are on their way at a time, and the round ends when the broker has confirmed them all.
Confirms are numbered from 1 on each channel (RabbitMQ, "Publisher Confirms"), so a round has a
channel of its own.

A message is known here by its place in the round: the id of its call may stand in its body alone.
What the broker returns is known by its ``message_id``.

What can be mended is mended while time is left: a lost connection is made anew and what it owed
is sent again under the same ids; a queue or an exchange that was deleted is declared again.
"""

from __future__ import annotations

import time
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from amqp.exceptions import AccessRefused, IrrecoverableChannelError, NotFound
from kombu.exceptions import OperationalError

from fw_core.broker.patience import answering_until, connect
from fw_core.broker.publish import (
    FULL,
    NO_QUEUE,
    Letter,
    Unconfirmed,
    brief,
    fix_of,
    needs_of,
    properties_of,
    short,
)
from fw_core.broker.rounds import Progress
from fw_core.broker.topology import Declared
from fw_core.broker.wire import Wire
from fw_core.errors import FrameworkError

WINDOW = 500
_ONE_WRITE = 32 * 1024
"""Bytes that are written at a time."""

_CLOSING_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class _Sent:
    """What became of a message of the round."""

    letter: Letter
    message_id: str
    is_confirmed: bool = False
    is_in_doubt: bool = False  # it was on a connection when that was lost
    is_returned: bool = False  # and its confirm, which means nothing, is to come
    is_redeclared: bool = False
    refusal: str = ""


@dataclass(slots=True)
class Window:
    """One confirmed round on RabbitMQ; use it as a context.

    Args:
        producer: Gives the connection.
        declared: What has been declared on it.
        seconds: How long the broker may be silent while it owes a confirm.
        progress: Told now and then how many messages are confirmed.
        is_brief: Whether nothing but the id of a message is needed once it is confirmed: ten
            thousand of them take 20 MB.

    Attributes:
        owed: What has been published and not confirmed, oldest first.
    """

    producer: Any
    declared: Declared
    seconds: float
    progress: Progress | None = None
    is_brief: bool = False
    owed: OrderedDict[int, _Sent] = field(default_factory=OrderedDict)
    _all: list[_Sent] = field(default_factory=list)
    _again: deque[_Sent] = field(default_factory=deque)
    _channel: Any = None
    _wire: Wire = field(init=False)
    _unwritten: bytearray = field(default_factory=bytearray)
    _published: int = 0
    _written: int = 0
    _deadline: float = 0.0
    _left_of_first: float = 0.0
    _confirmed: int = 0
    _told: int = 0

    @property
    def confirmed(self) -> list[Letter]:
        """The messages that are queued."""
        return [sent.letter for sent in self._all if sent.is_confirmed]

    @property
    def in_doubt(self) -> list[Letter]:
        """The messages that may be queued and were not confirmed."""
        return [sent.letter for sent in self._all if sent.is_in_doubt and not sent.is_confirmed]

    @property
    def refused(self) -> list[Letter]:
        """The messages that the broker did not take, and has nowhere."""
        return [sent.letter for sent in self._all if sent.refusal and not sent.is_in_doubt]

    def __enter__(self) -> Self:
        self._progress()
        try:
            self._open()
        except FrameworkError:
            raise
        except Exception:  # noqa: BLE001 - the pool's connection may have died long ago
            self._drop()
            try:
                self._open()
            except Exception as error:
                self._drop()
                raise self._unconfirmed(short(error), fix_of(error)) from error
        self._left_of_first = self._deadline - time.monotonic()
        return self

    def publish(self, letter: Letter) -> None:
        """Publish a message; waits only while the window is full.

        Raises:
            Unconfirmed: the connection could not be made anew, or the broker is silent.
        """
        message_id = letter.properties.get("message_id") or str(uuid.uuid4())
        sent = _Sent(letter, str(message_id))
        if not self._all:  # what it took to connect is part of the time
            self._deadline = time.monotonic() + self._left_of_first
        elif not self.owed:  # nothing is owed, so the broker is not silent
            self._progress()
        elif time.monotonic() >= self._deadline:  # who sends was busy; an answer may lie here
            try:
                self._wire.hear(time.monotonic() + 0.01)
            except TimeoutError:
                pass
            except Exception as error:  # noqa: BLE001 - sorted out there
                self._mend(error)
        self._all.append(sent)
        self._again.append(sent)
        self._work(most_owed=WINDOW - 1)
        self._tell()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._drop()
            return
        try:
            self._work(most_owed=0)
            self._tell()
        except BaseException:
            self._drop()
            raise
        try:
            with answering_until(self.producer.connection, time.monotonic() + _CLOSING_SECONDS):
                self._channel.close()
        except Exception:  # noqa: BLE001 - the next round begins on a connection that answers
            self._drop()
        cause = next((sent.refusal for sent in self._all if sent.refusal), "")
        if cause:
            raise self._unconfirmed(cause, fix_of(cause))

    def _tell(self) -> None:
        """Say how far it is: not from inside a confirm, where an error would look like its own."""
        if self.progress is not None and self._confirmed != self._told:
            self._told = self._confirmed
            self.progress(self._confirmed)

    def _work(self, *, most_owed: int) -> None:
        """Publish what is to be published and wait until no more than so many are owed."""
        while self._again or len(self.owed) > most_owed:
            try:
                while self._again:
                    self._put(self._again[0])
                    self._again.popleft()
                if len(self.owed) > most_owed:
                    self._drain()
            except (Unconfirmed, FrameworkError):
                raise
            except Exception as error:  # noqa: BLE001 - sorted out there
                self._mend(error)

    def _put(self, sent: _Sent) -> None:
        letter = sent.letter
        connection = self.producer.connection
        needs = needs_of(letter)
        if not self.declared.has(connection.connection, **needs):
            with answering_until(connection, self._deadline):
                self.declared.ensure(connection.connection, self._channel, **needs)
        properties = properties_of(letter, is_in_doubt=sent.is_in_doubt)
        properties["message_id"] = sent.message_id
        self._unwritten += self._wire.message(
            exchange=letter.exchange,
            routing_key=letter.queue,
            body=letter.body,
            properties=properties,
        )
        self._published += 1
        self.owed[self._published] = sent
        if len(self.owed) == 1 or len(self._unwritten) >= _ONE_WRITE:
            self._write()  # the broker is busy with it while more of them are made

    def _write(self) -> None:
        if self._unwritten:
            if self._written and next(iter(self.owed)) > self._written:
                self._progress()  # all that it has was confirmed, so the broker is not silent
            data, self._unwritten = bytes(self._unwritten), bytearray()
            self._written = self._published
            self._wire.write(data, self._deadline)

    def _drain(self) -> None:
        self._write()
        owed = len(self.owed)
        while len(self.owed) == owed:
            self._wire.hear(self._deadline)

    def _mend(self, error: Exception) -> None:
        """Go on over a new channel, or give up.

        Raises:
            Unconfirmed: nothing can be mended, or there is no time left.
        """
        self._doubt()
        connection = self.producer.connection
        gone = isinstance(error, NotFound)
        lost = isinstance(
            error, (*connection.recoverable_connection_errors, OperationalError)
        ) and not isinstance(error, (TimeoutError, AccessRefused, IrrecoverableChannelError))
        if not (gone or lost) or time.monotonic() >= self._deadline:
            self._drop()
            cause = "no confirm in time" if isinstance(error, TimeoutError) else short(error)
            raise self._unconfirmed(cause, fix_of(error)) from error
        if lost:
            self._drop()
        else:
            self.declared.forget(connection.connection)
        while True:
            try:
                self._open()
            except Exception as again:
                self._drop()
                if time.monotonic() + 0.2 >= self._deadline:
                    raise self._unconfirmed(short(again), fix_of(again)) from again
                time.sleep(0.2)
            else:
                return

    def _doubt(self) -> None:
        """What the channel owed is sent again, and may then be queued twice under one id."""
        owed = list(self.owed.values())
        for number, sent in self.owed.items():
            sent.is_in_doubt = sent.is_in_doubt or number <= self._written
            sent.is_returned = False
        self._again.extendleft(sent for sent in reversed(owed) if sent not in self._again)
        self.owed.clear()
        self._unwritten.clear()

    def _unconfirmed(self, cause: str, fix: str) -> Unconfirmed:
        in_doubt = self.in_doubt
        return Unconfirmed(
            cause,
            maybe=bool(in_doubt),
            fix=fix,
            confirmed=self.confirmed,
            in_doubt=in_doubt,
            refused=self.refused,
        )

    def _open(self) -> None:
        connection = self.producer.connection
        connect(connection, self._deadline)
        with answering_until(connection, self._deadline):
            channel = connection.channel()
            channel.confirm_select()
        channel.events["basic_return"].add(self._on_return)
        self._channel, self._wire = channel, Wire(channel, self._on_confirm)
        self._published = self._written = 0

    def _drop(self) -> None:
        connection = self.producer.connection
        connection.collect(socket_timeout=0.1)
        self.producer.revive(connection)

    def _progress(self) -> None:
        self._deadline = time.monotonic() + self.seconds

    def _on_confirm(self, is_taken: bool, tag: int, multiple: bool) -> None:
        for sent in self._settle(tag, multiple):
            if not is_taken:
                sent.refusal = FULL
                continue
            if not sent.is_returned:
                sent.is_confirmed = True
                self._confirmed += 1
                if self.is_brief:
                    sent.letter = brief(sent.letter)
                continue
            sent.is_returned = False
            if sent.is_redeclared:
                sent.refusal = NO_QUEUE
                continue
            sent.is_redeclared = True  # a queue that was there is gone: once more
            self.declared.forget(self.producer.connection.connection)
            self._again.append(sent)

    def _on_return(self, error: Any, exchange: str, routing_key: str, message: Any) -> None:
        # Two may share a foreign id. Both are sent again then: twice is better than never.
        message_id = str(message.properties.get("message_id"))
        for sent in self.owed.values():
            if sent.message_id == message_id:
                sent.is_returned = True

    def _settle(self, tag: int, multiple: bool) -> list[_Sent]:
        self._progress()
        if not multiple:
            return [self.owed.pop(tag)] if tag in self.owed else []
        settled: list[_Sent] = []
        while self.owed and next(iter(self.owed)) <= tag:
            settled.append(self.owed.popitem(last=False)[1])
        return settled
