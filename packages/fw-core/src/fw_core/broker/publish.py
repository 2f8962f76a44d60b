"""One message, put into a durable queue and confirmed, or a clear answer within the time given.

The way out of every message: calls, retries, steps of workflows, what is sent on because it came
too early. Nothing here knows tasks; it knows queues, waits and confirms.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from amqp.exceptions import (
    ConsumerCancelled,
    IrrecoverableChannelError,
    MessageNacked,
    NotFound,
    PreconditionFailed,
)
from kombu.exceptions import OperationalError
from kombu.transport import pyamqp

from fw_core.broker.patience import answering_until, connect
from fw_core.broker.topology import Declared
from fw_core.broker.wire import Wire
from fw_core.errors import FrameworkError, SendError
from fw_core.headers import CHECK

FULL = "the queue refused it, perhaps because it is full"
NO_QUEUE = "no queue takes it"


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """A message, ready to travel.

    Attributes:
        queue: The queue's name on the broker; also the routing key.
        exchange: Where it is published: the task exchange, or that of its first wait queue.
        wait_ms: The wait queue it goes through, if any.
        long_ms: The long wait queue it goes through before that, if any.
        is_call: Whether it is on its way to ``queue``, which is then declared; dead letters and
            outcomes go to the framework's own queues.
        may_be_lost: Whether it does no harm if no queue takes it; alone, not in a round.
    """

    queue: str
    exchange: str
    wait_ms: int | None
    body: Any
    content_type: str | None
    content_encoding: str | None
    headers: dict[str, Any]
    properties: dict[str, Any] = field(default_factory=dict)
    long_ms: int | None = None
    is_call: bool = True
    may_be_lost: bool = False


class Unconfirmed(Exception):  # noqa: N818 - reads as what happened
    """The message is not known to be queued.

    Attributes:
        maybe: Whether it may be queued all the same.
        cause: Why, in a few words, without secrets.
        fix: What would mend it, where the cause tells; empty: look at the broker.
        is_final: Whether the broker will never take it, so that to send it again does not help.
            Never so of a round: which of its messages the broker means is not known.
        confirmed: Of a round, the messages that are queued, in their order.
        in_doubt: Those that may be queued.
        refused: Those that the broker did not take. What is in none of the three never left.
    """

    def __init__(
        self,
        cause: str,
        *,
        maybe: bool,
        fix: str = "",
        is_final: bool = False,
        confirmed: Sequence[Letter] = (),
        in_doubt: Sequence[Letter] = (),
        refused: Sequence[Letter] = (),
    ) -> None:
        self.cause = cause
        self.maybe = maybe
        self.fix = fix
        self.is_final = is_final
        self.confirmed = list(confirmed)
        self.in_doubt = list(in_doubt)
        self.refused = list(refused)
        super().__init__(cause)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unconfirmed, (dict(vars(self)),)


def _unconfirmed(known: dict[str, Any]) -> Unconfirmed:
    return Unconfirmed(**known)


def publish(
    producer: Any,
    letter: Letter,
    *,
    declared: Declared,
    deadline: float,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Publish ``letter`` and wait for the broker's word that it is in a durable queue.

    A lost connection is made anew and the message sent again while time is left: it can then be
    in the queue twice, under one id, which at-least-once delivery has to bear anyway.

    Raises:
        Unconfirmed: no confirm until ``deadline`` (of ``time.monotonic``), or the broker refused
            the message.
    """
    attempt = _Publishing(producer, letter, declared, deadline=deadline, sleep=sleep)
    attempt.run()


@dataclass(slots=True)
class _Publishing:
    producer: Any
    letter: Letter
    declared: Declared
    deadline: float
    sleep: Callable[[float], None] = time.sleep
    written: bool = False
    in_doubt: bool = False  # an earlier try was written, and its connection lost
    redeclared: bool = False

    def run(self) -> None:
        connection = self.producer.connection
        recoverable = (
            *connection.recoverable_connection_errors,
            *connection.recoverable_channel_errors,
            OperationalError,
        )
        while True:
            try:
                if self._once():
                    return
            except (Unconfirmed, FrameworkError):
                raise
            except TimeoutError as error:
                # A late confirm would be taken for that of the next message.
                self._drop_connection()
                raise Unconfirmed("no confirm in time", maybe=self.written) from error
            except MessageNacked as error:
                raise Unconfirmed(FULL, maybe=self.in_doubt, fix=fix_of(FULL)) from error
            except NotFound as error:
                self._again_after_redeclaring(error)
            except IrrecoverableChannelError as error:
                doubt = self.in_doubt
                self._drop_connection()
                raise Unconfirmed(
                    short(error), maybe=doubt, fix=fix_of(error), is_final=_is_too_large(error)
                ) from error
            except (ConsumerCancelled, *recoverable) as error:
                self._drop_connection()
                self._pause(error)
            except Exception as error:
                self._drop_connection()
                raise Unconfirmed(short(error), maybe=self.written) from error
            except BaseException:  # Ctrl-C, or the timeout of the task that sends
                self._drop_connection()  # as above: a confirm may still come
                raise

    def _once(self) -> bool:
        connection = self.producer.connection
        connect(connection, self.deadline)
        channel = self._channel(connection)
        letter = self.letter
        needs = needs_of(letter)
        if not self.declared.has(connection.connection, **needs):
            with answering_until(connection, self.deadline):
                self.declared.ensure(connection.connection, channel, **needs)
        if Wire.fits(channel):
            returned = self._confirmed(connection, channel)
        else:
            returned = self._stored(channel)
        if not returned:
            return True
        self.written = False
        self._again_after_redeclaring(Unconfirmed(NO_QUEUE, maybe=False))
        return False

    def _confirmed(self, connection: Any, channel: Any) -> list[Any]:
        """Send the message to RabbitMQ; returns what came back of it, because no queue takes it."""
        one = _One.on(channel)
        if one is None:
            with answering_until(connection, self.deadline):
                one = _One(channel)
        letter = self.letter
        data = one.wire.message(
            exchange=letter.exchange,
            routing_key=letter.queue,
            body=letter.body,
            properties=properties_of(letter, is_in_doubt=self.in_doubt),
            mandatory=not letter.may_be_lost,
        )
        one.wire.catch_up(self.deadline)
        self._left()
        self.written = True
        return one.send(data, self.deadline)

    def _stored(self, channel: Any) -> list[Any]:
        """Put the message into the broker of this machine, which has it then."""
        letter = self.letter
        returned = _returned(channel)
        returned.clear()
        self._left()
        self.written = True
        self.producer.publish(
            letter.body,
            exchange=letter.exchange,
            routing_key=letter.queue,
            content_type=letter.content_type,
            content_encoding=letter.content_encoding,
            headers=headers_of(letter, is_in_doubt=self.in_doubt),
            delivery_mode=2,
            mandatory=not letter.may_be_lost,
            retry=False,
            **letter.properties,
        )
        return returned

    def _channel(self, connection: Any) -> Any:
        channel = self.producer._channel  # kombu's promise of one, until it is asked for
        if isinstance(channel, pyamqp.Channel) and channel.is_open and channel.connection:
            return channel
        with answering_until(connection, self.deadline):  # to open one is a round trip
            channel = self.producer.channel
            if not getattr(channel, "is_open", True) or channel.connection is None:
                self.producer.revive(connection)
                channel = self.producer.channel
            return channel

    def _again_after_redeclaring(self, error: Exception) -> None:
        """A queue or exchange is gone that was there: declare all once more, then give up."""
        self.declared.forget(self.producer.connection.connection)
        if self.redeclared:
            raise Unconfirmed(short(error), maybe=self.in_doubt) from error
        self.redeclared = True
        self.producer.revive(self.producer.connection)

    def _pause(self, error: Exception) -> None:
        pause = 0.2
        if self._left() <= pause:
            raise Unconfirmed(short(error), maybe=self.written) from error
        self.sleep(pause)

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Unconfirmed("no answer in time", maybe=self.written)
        return left

    def _drop_connection(self) -> None:
        """Leave the connection without a word: a polite close can block as the publish did."""
        self.in_doubt = self.in_doubt or self.written
        connection = self.producer.connection
        connection.collect(socket_timeout=0.1)
        self.producer.revive(connection)


class _One:
    """A channel on which one message is on its way at a time."""

    def __init__(self, channel: Any) -> None:
        channel.confirm_select()
        channel._confirm_selected = True  # py-amqp's own note, which it takes back with the channel
        self.wire = Wire(channel, self._on_confirm)
        self._returned: list[Any] = []
        self._is_taken: bool | None = None
        channel.events["basic_return"].add(self._on_return)
        channel.fw_one = self

    @staticmethod
    def on(channel: Any) -> _One | None:
        """What was made for a channel; None if it must be made, also because it was opened anew."""
        one: _One | None = getattr(channel, "fw_one", None)
        return one if channel._confirm_selected else None

    def send(self, data: bytes, deadline: float) -> list[Any]:
        """Write a message and wait for its confirm; returns what came back of it.

        Raises:
            MessageNacked: the broker refused it.
            TimeoutError: no confirm in time.
        """
        self._returned, self._is_taken = [], None
        self.wire.write(data, deadline)
        while self._is_taken is None:
            self.wire.hear(deadline)
        if not self._is_taken:
            raise MessageNacked
        return self._returned

    def _on_confirm(self, is_taken: bool, tag: int, multiple: bool) -> None:
        self._is_taken = is_taken

    def _on_return(self, error: Any, *_: Any) -> None:
        self._returned.append(error)


def brief(letter: Letter) -> Letter:
    """What is worth knowing of a message that is confirmed: which call it was."""
    known = {"id": letter.headers.get("id")}
    return replace(letter, body="", headers=known, properties={})


def needs_of(letter: Letter) -> dict[str, Any]:
    """What must be declared for a message, as :meth:`Declared.ensure` takes it."""
    return {
        "queue": letter.queue if letter.is_call else None,
        "wait_ms": letter.wait_ms,
        "long_ms": letter.long_ms,
    }


def properties_of(letter: Letter, *, is_in_doubt: bool) -> dict[str, Any]:
    """All that travels beside the body of a message, by AMQP's names."""
    return {
        **letter.properties,
        "content_type": letter.content_type,
        "content_encoding": letter.content_encoding,
        "headers": headers_of(letter, is_in_doubt=is_in_doubt),
        "delivery_mode": 2,
    }


def headers_of(letter: Letter, *, is_in_doubt: bool) -> dict[str, Any]:
    """The headers of a message, marked if an earlier copy of it may be queued.

    Whoever gets the marked one looks first whether its call has succeeded.
    """
    return {**letter.headers, CHECK: True} if is_in_doubt and letter.is_call else letter.headers


def _returned(channel: Any) -> list[Any]:
    """What the broker gave back on this channel because no queue takes it."""
    returned: list[Any] | None = getattr(channel, "fw_returned", None)
    if returned is None:
        collected: list[Any] = []
        channel.fw_returned = returned = collected
        channel.events["basic_return"].add(
            lambda exception, exchange, routing_key, message: collected.append(exception)
        )
    return returned


def short(error: BaseException) -> str:
    """The first line of what an error says."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200].rstrip(".")


def is_final(error: BaseException) -> bool:
    """Whether an error says that the broker will never take a message."""
    return isinstance(error, (Unconfirmed, SendError)) and error.is_final


def _is_too_large(error: IrrecoverableChannelError) -> bool:
    # RabbitMQ's limit is on the body alone (max_message_size), which stays as it is.
    text = str(error)
    return (
        isinstance(error, PreconditionFailed) and "message size" in text and "larger than" in text
    )


_FIXES = (
    (
        FULL,
        "let workers empty the queue, or raise its limit (a policy with max-length); send again.",
    ),
    ("larger than", "store the data and send where it is, such as a key or an id."),
    ("inequivalent arg", "delete the queue or exchange that was declared by hand; fw declares it."),
)


def fix_of(cause: BaseException | str) -> str:
    """What would mend a cause that says so; empty: look at the broker."""
    return next((fix for sign, fix in _FIXES if sign in str(cause)), "")
