"""Calls that wait for a transaction: sent when it commits, forgotten when it rolls back.

A call that is sent before the commit can be run before the commit, and finds nothing; one that
is sent for a transaction that is rolled back runs for something that never was. Here a call is
checked where it is made, gets its id, and its message waits in memory for the word of the
transaction. SQLAlchemy gives it by the events of a session; Django, and whoever works as it does,
by ``on_commit``.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, Union

from fw_core.broker.holding import Holder, Outgoing, held_by, publish_held
from fw_core.errors import OptionError, SendError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
    from sqlalchemy.orm import Session, SessionTransaction, scoped_session

_logger = logging.getLogger("fw.send")
_KEY = "fw_after_commit"


class OnCommit(Protocol):
    """What works as ``django.db.transaction`` does, or one of ``django.db.connections``."""

    def on_commit(self, func: Callable[[], Any], /) -> Any:
        """Call ``func`` when the transaction commits, never if it rolls back."""
        ...


Transaction: TypeAlias = Union[
    "Session", "scoped_session[Any]", "AsyncSession", "async_scoped_session[Any]", OnCommit
]
"""What a call can wait for."""


@contextmanager
def after_commit(session: Transaction) -> Iterator[None]:
    """Send every call made inside the block when ``session`` commits, and never if it rolls back.

    >>> # with after_commit(session):
    >>> #     send_invoice.delay(42)
    >>> #     book.delay(42)
    >>> # session.commit()

    The commit may come inside the block or after it. A savepoint that is rolled back forgets the
    calls that were made in it. All calls of a transaction are sent in one confirmed round.

    Args:
        session: A SQLAlchemy session, scoped or asynchronous ones too; or an object with
            ``on_commit``, such as ``django.db.transaction``.

    Raises:
        OptionError: it is neither.
        NotSent, MaybeSent: raised by the commit, whose transaction is committed all the same:
            not every call was confirmed.
    """
    with held_by(holder_of(session)):
        yield


def holder_of(session: Any) -> Holder:
    """What keeps the calls that wait for ``session``.

    Raises:
        OptionError: it is nothing that commits.
    """
    own = _sqlalchemy_session(session)
    if own is not None:
        return _held_for(own)
    on_commit = getattr(session, "on_commit", None)
    if callable(on_commit):
        return _Hooked(on_commit)
    raise OptionError(
        f"after_commit takes a session, got {session!r}.",
        "The call is sent when its transaction commits, so something has to say when that is.",
        "after_commit=session of SQLAlchemy, or after_commit=transaction of django.db",
    )


def _sqlalchemy_session(session: Any) -> Session | None:
    if "sqlalchemy.orm" not in sys.modules:  # then nobody can have made a session
        return None
    from sqlalchemy.orm import Session, scoped_session

    scoped: tuple[type[Any], ...] = (scoped_session,)
    if "sqlalchemy.ext.asyncio" in sys.modules:
        from sqlalchemy.ext.asyncio import async_scoped_session

        scoped += (async_scoped_session,)
    if isinstance(session, scoped):
        made: Any = session
        session = made()
    session = getattr(session, "sync_session", session)
    return session if isinstance(session, Session) else None


def _held_for(session: Session) -> _OfSession:
    _listen(session)
    held = _kept_in(session)
    if held is None:
        held = session.info[_KEY] = _OfSession(session)
    return held


def _kept_in(session: Session) -> _OfSession | None:
    """What it holds itself: its ``info`` may have been made of another session's."""
    held: _OfSession | None = session.info.get(_KEY)
    return held if held is not None and held.session is session else None


_beginning_to_listen = threading.Lock()


def _listen(session: Session) -> None:
    """Hear of every session's commits and ends, before any hook that may raise.

    A hook that runs cannot be joined by another of its kind: SQLAlchemy iterates over them.
    """
    from sqlalchemy import event
    from sqlalchemy.orm import Session

    with _beginning_to_listen:
        for name, hear in (("after_transaction_end", _ended), ("after_commit", _committed)):
            is_heard_now = name == "after_commit" and _is_committed(session.get_transaction())
            if not is_heard_now and not event.contains(Session, name, hear):
                event.listen(Session, name, hear, insert=True)


def _committed(session: Session) -> None:
    held = _kept_in(session)
    if held is not None:
        held.note_commit()


def _ended(session: Session, transaction: SessionTransaction) -> None:
    held = _kept_in(session)
    if held is not None:
        held.end(transaction)


def _is_committed(transaction: SessionTransaction | None) -> bool:
    """Whether it is committed, and only its hooks are still running."""
    from sqlalchemy.orm.session import SessionTransactionState

    return getattr(transaction, "_state", None) is SessionTransactionState.COMMITTED


class _OfSession:
    """The messages that wait for a session's transaction, each with its savepoint."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._waiting: list[tuple[SessionTransaction | None, Outgoing]] = []
        self._committed: set[SessionTransaction] = set()

    def hold(self, messages: Sequence[Outgoing]) -> None:
        if not self.session.in_transaction():
            # As any other use of a session would: so a rollback or a close forgets the call.
            self.session.begin()
        self.note_commit()  # one that is held by a hook of the commit
        savepoint = self.session.get_nested_transaction()
        self._waiting += [(savepoint, message) for message in messages]

    def note_commit(self) -> None:
        """Remember a savepoint or transaction that is committed, and about to end."""
        ending = self.session.get_nested_transaction() or self.session.get_transaction()
        if ending is not None and _is_committed(ending):
            self._committed.add(ending)

    def end(self, ended: SessionTransaction) -> None:
        """Send or forget what waited for ``ended``, or let it wait for what is around it."""
        committed = ended in self._committed
        self._committed.discard(ended)
        if ended.nested:
            around = self.session.get_nested_transaction()
            self._waiting = [
                (around if savepoint is ended else savepoint, message)
                for savepoint, message in self._waiting
                if committed or savepoint is not ended
            ]
        elif ended.parent is None:
            messages = [message for _, message in self._waiting]
            self._waiting = []
            if committed and messages:
                _publish_without_blocking(messages)


class _Hooked:
    """Gives each message, or each round of them, to a hook of its own."""

    def __init__(self, on_commit: Callable[[Callable[[], Any]], Any]) -> None:
        self._on_commit = on_commit

    def hold(self, messages: Sequence[Outgoing]) -> None:
        self._on_commit(lambda: _publish(messages))


def _publish_without_blocking(messages: Sequence[Outgoing]) -> None:
    """Publish; where an ``AsyncSession`` commits, in a thread, so that its loop goes on."""
    if "greenlet" in sys.modules:
        from sqlalchemy.util.concurrency import await_only, in_greenlet

        if in_greenlet():
            import asyncio

            await_only(asyncio.to_thread(_publish, messages))
            return
    _publish(messages)


def _publish(messages: Sequence[Outgoing]) -> None:
    try:
        publish_held(messages)
    except SendError as error:
        # Who called commit() may take the error for a failed commit, or drop it.
        _logger.error("after a commit: %s", error.what)
        raise
