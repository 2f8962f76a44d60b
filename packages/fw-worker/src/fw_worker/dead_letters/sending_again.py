"""Replay: noted before it is sent, sent and confirmed, noted again.

A replay that is broken off between the two notes leaves letters that may have been sent. The next
one sends them again in a message with the same id, unless their calls have succeeded meanwhile; a
worker that gets both runs the second only where the first did not succeed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from amqp.exceptions import NotFound

from fw_core.broker.app import App
from fw_core.broker.publish import Unconfirmed, short
from fw_core.errors import BrokerUnreachable, FrameworkError, ReplayStopped
from fw_core.urls import safe_url
from fw_worker.dead_letters import table
from fw_worker.dead_letters.choice import Choice
from fw_worker.dead_letters.letter import DeadLetter
from fw_worker.dead_letters.one_at_a_time import one_replay
from fw_worker.dead_letters.replay import Refused, Sending, decide, message_of

Decided = TypeVar("Decided", Sending, Refused)

ROUND = 100
"""Letters that are sent between two notes."""


@dataclass(slots=True)
class Replayed:
    """What became of a replay, or would become of it.

    Attributes:
        sent: What was sent, or would be.
        refused: What was not.
        done: What an earlier replay had sent, which had not come to note it.
    """

    sent: list[Sending] = field(default_factory=list["Sending"])
    refused: list[Refused] = field(default_factory=list["Refused"])
    done: list[Refused] = field(default_factory=list["Refused"])


def replay(
    app: App,
    choice: Choice,
    *,
    to: str | None = None,
    rate: float | None = None,
    is_dry: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Replayed:
    """Send dead letters again.

    Args:
        app: The app.
        choice: Which.
        to: The queue to send them to; the one that each was in, if not given.
        rate: At most so many each second.
        is_dry: Only say what would be sent.
        sleep: Waits.

    Raises:
        UnknownDeadLetter: an id is that of none.
        BrokerUnreachable: the broker does not answer.
        ReplayStopped: the broker refused a message, or did not confirm it.
        ReplayRunning: another replay is under way.
        ResultStoreError: the database does not answer.
    """
    with nullcontext(lambda: None) if is_dry else one_replay(app) as make_sure:
        return _replay(app, choice, make_sure, to=to, rate=rate, is_dry=is_dry, sleep=sleep)


def _replay(
    app: App,
    choice: Choice,
    make_sure: Callable[[], None],
    *,
    to: str | None,
    rate: float | None,
    is_dry: bool,
    sleep: Callable[[float], None],
) -> Replayed:
    report = Replayed()
    queues = _Queues(app)
    for letters in choice.pages(app, is_brief=is_dry):
        decisions = _decided(app, letters, queues, to)
        sendings = [each for each in decisions if isinstance(each, Sending)]
        refused = [_brief(each) for each in decisions if isinstance(each, Refused)]
        report.refused += [each for each in refused if not each.is_done]
        done = [each for each in refused if each.is_done]
        if not is_dry:
            _note(app, table.end_replay, [each.letter.dead_id for each in done])
            _send_all(app, sendings, report.sent, make_sure, rate, sleep)
        else:
            report.sent += [_brief(each) for each in sendings]
        report.done += done
    return report


def uncollected(app: App) -> int:
    """How many dead letters are still with the broker.

    Raises:
        BrokerUnreachable: it does not answer.
    """
    with connected(app) as connection:
        return _count(connection.default_channel, app.topology.dead) or 0


def _decided(
    app: App, letters: Sequence[DeadLetter], queues: _Queues, to: str | None
) -> list[Sending | Refused]:
    ids = sorted({letter.task_id for letter in letters if letter.task_id})
    newest = app.backend.database.statement(
        lambda connection: table.newest_of_calls(connection, ids), timeout=app.backend.read_timeout
    )
    results = app.backend.load(ids)
    return decide(
        letters,
        results=results,
        newest=newest,
        has_queue=queues.has,
        to=to,
        starts=app.settings.workflow_queue,
    )


def _send_all(
    app: App,
    sendings: Sequence[Sending],
    sent: list[Sending],
    make_sure: Callable[[], None],
    rate: float | None,
    sleep: Callable[[float], None],
) -> None:
    size = ROUND if rate is None else max(1, min(ROUND, int(rate)))
    for start in range(0, len(sendings), size):
        if rate and sent:
            sleep(min(size, len(sent)) / rate)
        make_sure()
        some = _send(app, sendings[start : start + size], sent_before=len(sent))
        sent += [_brief(each) for each in some]


def _send(app: App, sendings: Sequence[Sending], *, sent_before: int) -> list[Sending]:
    """Send a round; returns what was sent: another command may have been quicker.

    Raises:
        ReplayStopped: not all of it was confirmed; what became of each letter is noted.
    """
    ids = [(sending.letter.dead_id, sending.message_id) for sending in sendings]
    begun: set[str] = _note(app, table.begin_replay, ids) or set()
    sendings = [sending for sending in sendings if sending.letter.dead_id in begun]
    letters = [
        app.amqp.letter(
            queue=app.topology.queue_name(sending.queue), due=None, **message_of(sending)
        )
        for sending in sendings
    ]
    try:
        with app.producer_or_acquire() as producer:
            app.amqp.post_all(producer, letters)
    except Unconfirmed as error:
        ids_of = {sending.message_id: sending.letter.dead_id for sending in sendings}
        confirmed, in_doubt = (
            {ids_of[letter.properties["message_id"]] for letter in some}
            for some in (error.confirmed, error.in_doubt)
        )
        _note(app, table.end_replay, sorted(confirmed))
        _note(app, table.undo_replay, sorted(begun - confirmed - in_doubt))
        raise ReplayStopped(
            sent=sent_before + len(confirmed),
            in_doubt=len(in_doubt),
            broker=safe_url(app.broker_url),
            cause=error.cause,
            fix=error.fix,
        ) from error
    _note(app, table.end_replay, [sending.letter.dead_id for sending in sendings])
    return sendings


def _brief(decided: Decided) -> Decided:
    return replace(decided, letter=decided.letter.brief())


def _note(app: App, work: Callable[..., Any], about: Sequence[Any]) -> Any:
    if not about:
        return None
    return app.backend.database.transaction(
        lambda connection: work(connection, about, app.now()), timeout=app.backend.store_timeout
    )


class _Queues:
    """Which queues the broker has, asked once each."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._known: dict[str, bool] = {}

    def has(self, queue: str) -> bool:
        if not queue:
            return False
        if queue not in self._known:
            with connected(self._app) as connection:
                name = self._app.topology.queue_name(queue)
                self._known[queue] = _count(connection.default_channel, name) is not None
        return self._known[queue]


@contextmanager
def connected(app: App) -> Iterator[Any]:
    """A connection to the broker, for the length of the block.

    Raises:
        BrokerUnreachable: it does not answer, or breaks off.
    """
    try:
        with app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=app.settings.send_timeout)
            yield connection
    except FrameworkError:
        raise
    except Exception as error:
        raise _unreachable(app, short(error)) from error


def _count(channel: Any, queue: str) -> int | None:
    """How many messages are ready in a queue; None if there is no such queue."""
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except NotFound:
        return None


def _unreachable(app: App, cause: str) -> BrokerUnreachable:
    return BrokerUnreachable(server=safe_url(app.broker_url), setting="FW_BROKER_URL", cause=cause)
