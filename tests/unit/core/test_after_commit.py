"""A call that waits for a transaction is sent when it commits and forgotten when it rolls back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import chain
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    scoped_session,
    sessionmaker,
)
from sqlalchemy.pool import StaticPool

from fw_core import (
    CallError,
    NotSent,
    OptionError,
    SendError,
    after_commit,
    execute_dynamic_workflow,
    register_task,
    task_framework,
)
from fw_core.broker import amqp
from fw_core.broker.holding import _block
from fw_core.broker.publish import Unconfirmed
from fw_core.call import after_commit as holding
from fw_core.client import current_app
from fw_testing import Eager, FakeBroker


@pytest.fixture
def sessions() -> Iterator[sessionmaker[Session]]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders (id INTEGER PRIMARY KEY)"))
    yield sessionmaker(engine)
    engine.dispose()


@pytest.fixture
def session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    with sessions() as session:
        yield session


def pay_task() -> Any:
    @task_framework
    def pay(order_id: int) -> int:
        return order_id

    return pay


def sent(broker: FakeBroker) -> list[int]:
    """The orders of the calls that were sent."""
    return [message.args[0] for message in broker.sent]


LISTENERS = (
    ("after_commit", holding._committed),
    ("after_transaction_end", holding._ended),
)


def forget_listeners() -> None:
    """As in a process where no call has waited for a session yet."""
    for name, hear in LISTENERS:
        if event.contains(Session, name, hear):
            event.remove(Session, name, hear)


def insert(session: Session, order_id: int) -> None:
    session.execute(text("INSERT INTO orders VALUES (:id)"), {"id": order_id})


# SQLAlchemy: one call


def test_a_call_is_sent_when_the_session_commits(session: Session, fw_broker: FakeBroker):
    pay = pay_task()

    insert(session, 1)
    pay.options(after_commit=session).delay(1)
    assert sent(fw_broker) == []
    session.commit()

    assert sent(fw_broker) == [1]


def test_a_call_is_forgotten_when_the_session_rolls_back(session: Session, fw_broker: FakeBroker):
    pay = pay_task()

    insert(session, 1)
    pay.options(after_commit=session).delay(1)
    session.rollback()
    session.commit()

    assert sent(fw_broker) == []


def test_the_id_is_known_at_once(session: Session, fw_broker: FakeBroker):
    result = pay_task().options(after_commit=session).delay(1)
    assert result.state == "PENDING"
    session.commit()

    fw_broker.drain()
    assert result.get() == 1


def test_a_wrong_argument_is_named_where_it_was_written(session: Session, fw_broker: FakeBroker):
    with pytest.raises(CallError, match="must be int"):
        pay_task().options(after_commit=session).delay("one")
    session.commit()

    assert sent(fw_broker) == []


def test_options_are_kept(session: Session, fw_broker: FakeBroker):
    """The delay counts from the call, as it does for any other."""

    @task_framework(queue="billing")
    def bill(order_id: int) -> None: ...

    call = bill.options(after_commit=session, queue="default", delay=60, priority=7, id="bill-1")
    call.delay(1)
    fw_broker.advance(20)
    session.commit()

    [message] = fw_broker.sent
    assert (message.id, message.queue, message.priority) == ("bill-1", "default", 7)
    assert message.delay.total_seconds() == 40


def test_a_call_before_any_statement_belongs_to_the_transaction(
    session: Session, fw_broker: FakeBroker
):
    """As session.add() does, it begins one; so what is rolled back is forgotten here too."""
    pay = pay_task()

    pay.options(after_commit=session).delay(1)
    session.rollback()
    pay.options(after_commit=session).delay(2)
    session.close()
    pay.options(after_commit=session).delay(3)
    session.commit()

    assert sent(fw_broker) == [3]


def test_a_session_is_used_for_one_transaction_after_the_other(
    session: Session, fw_broker: FakeBroker
):
    pay = pay_task()

    for order_id, end in enumerate((session.commit, session.rollback, session.commit)):
        pay.options(after_commit=session).delay(order_id)
        end()
    session.commit()

    assert sent(fw_broker) == [0, 2]


class Base(DeclarativeBase): ...


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)


def test_a_flush_is_not_the_end_of_the_transaction(session: Session, fw_broker: FakeBroker):
    """SQLAlchemy begins and ends a transaction inside of it."""
    session.add(Order(id=1))
    pay_task().options(after_commit=session).delay(1)
    session.flush()
    assert sent(fw_broker) == []
    session.commit()

    assert sent(fw_broker) == [1]


@pytest.mark.parametrize("with_info", [False, True])
def test_each_session_sends_its_own_calls(
    session: Session, sessions: sessionmaker[Session], fw_broker: FakeBroker, with_info: bool
):
    """Also if it was made with the ``info`` of the other one."""
    pay = pay_task()

    pay.options(after_commit=session).delay(1)
    with sessions(info=session.info if with_info else None) as other:
        other.begin()
        other.rollback()
        pay.options(after_commit=other).delay(2)
        other.commit()
        assert sent(fw_broker) == [2]
    session.commit()

    assert sent(fw_broker) == [2, 1]


def test_a_block_of_begin_commits_or_rolls_back(
    sessions: sessionmaker[Session], fw_broker: FakeBroker
):
    pay = pay_task()

    with sessions.begin() as session:
        pay.options(after_commit=session).delay(1)
    with pytest.raises(ZeroDivisionError), sessions() as session, session.begin():
        pay.options(after_commit=session).delay(2)
        raise ZeroDivisionError

    assert sent(fw_broker) == [1]


def test_nothing_is_sent_when_the_commit_fails(session: Session, fw_broker: FakeBroker):
    """A constraint that is checked at the commit."""
    session.execute(text("PRAGMA foreign_keys=ON"))
    session.execute(text("CREATE TABLE parent (id INTEGER PRIMARY KEY)"))
    session.execute(
        text("CREATE TABLE child (p REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)")
    )
    session.commit()

    session.execute(text("INSERT INTO child VALUES (7)"))
    pay_task().options(after_commit=session).delay(1)
    with pytest.raises(IntegrityError):
        session.commit()
    session.rollback()

    assert sent(fw_broker) == []


# Savepoints


def test_a_savepoint_that_is_rolled_back_forgets_only_its_own_calls(
    session: Session, fw_broker: FakeBroker
):
    pay = pay_task()

    with after_commit(session):
        pay.delay(1)
        with pytest.raises(ZeroDivisionError), session.begin_nested():
            pay.delay(2)
            raise ZeroDivisionError
        with session.begin_nested():
            pay.delay(3)
        assert sent(fw_broker) == []
    session.commit()

    assert sent(fw_broker) == [1, 3]


def test_a_savepoint_inside_one_that_is_rolled_back_is_forgotten_with_it(
    session: Session, fw_broker: FakeBroker
):
    pay = pay_task()

    with after_commit(session):
        outer = session.begin_nested()
        with session.begin_nested():
            pay.delay(1)
        pay.delay(2)
        outer.rollback()
        pay.delay(3)
    session.commit()

    assert sent(fw_broker) == [3]


def test_a_commit_inside_a_savepoint_commits_all_of_it(session: Session, fw_broker: FakeBroker):
    pay = pay_task()

    session.begin_nested()
    pay.options(after_commit=session).delay(1)
    session.commit()

    assert sent(fw_broker) == [1]


# Several calls


def test_a_block_holds_every_form_of_a_call(session: Session, fw_broker: FakeBroker):
    """delay, delay_many, Celery's forms, canvas, workflows by name."""
    pay = pay_task()
    register_task("step")(pay)

    with after_commit(session):
        pay.delay(1)
        pay.delay_many([(2,), (3,)])
        pay.apply_async((4,))
        pay.s(5).delay()
        chain(pay.s(6), pay.s())()
        execute_dynamic_workflow(["step", "step"], 7)
        current_app().send_task(pay.name, (8,))
        assert sent(fw_broker) == []
    session.commit()

    assert sent(fw_broker) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_async_code_waits_for_the_commit_too(session: Session, fw_broker: FakeBroker):
    pay = pay_task()

    async def order() -> None:
        with after_commit(session):
            await pay.adelay(1)
        await pay.options(after_commit=session).adelay(2)

    asyncio.run(order())
    assert sent(fw_broker) == []
    session.commit()

    assert sent(fw_broker) == [1, 2]


def test_after_the_block_a_call_is_sent_at_once(session: Session, fw_broker: FakeBroker):
    pay = pay_task()

    with after_commit(session):
        pay.delay(1)
    pay.delay(2)
    assert sent(fw_broker) == [2]
    session.commit()

    assert sent(fw_broker) == [2, 1]


def test_code_that_was_started_in_the_block_sends_at_once_when_the_block_is_over(
    session: Session, sessions: sessionmaker[Session], fw_broker: FakeBroker
):
    """Tasks of asyncio and threads begin with a copy of the context."""
    pay = pay_task()

    async def request() -> None:
        is_closed = asyncio.Event()

        async def background(order_id: int) -> None:
            await is_closed.wait()
            pay.delay(order_id)

        with after_commit(sessions()):
            with after_commit(session):
                inner = asyncio.create_task(background(1))
            session.close()
            outer = asyncio.create_task(background(2))
        is_closed.set()
        await inner
        await outer

    asyncio.run(request())
    assert sorted(sent(fw_broker)) == [1, 2]
    assert not session.in_transaction()


def test_code_that_was_started_in_an_inner_block_belongs_to_the_outer_one_then(
    session: Session, sessions: sessionmaker[Session], fw_broker: FakeBroker
):
    pay = pay_task()

    async def request() -> None:
        async def background() -> None:
            pay.delay(1)

        with after_commit(session):
            with after_commit(sessions()):
                started = asyncio.create_task(background())
            await started

    asyncio.run(request())
    assert sent(fw_broker) == []
    session.commit()
    assert sent(fw_broker) == [1]


def test_a_commit_inside_the_block_sends_what_was_made_before_it(
    session: Session, fw_broker: FakeBroker
):
    pay = pay_task()

    with after_commit(session):
        pay.delay(1)
        session.commit()
        assert sent(fw_broker) == [1]
        pay.delay(2)
        session.rollback()

    assert sent(fw_broker) == [1]


def test_tasks_that_run_at_once_run_at_the_commit(session: Session, fw_eager: Eager):
    """And what they send themselves waits for no commit of the caller's."""
    pay = pay_task()

    @task_framework
    def order(order_id: int) -> None:
        pay.delay(order_id)

    with after_commit(session):
        order.delay(1)
        assert not fw_eager.ran
        session.commit()
        assert [ran.task for ran in fw_eager.ran] == [order.name, pay.name]


# Hooks of others


def test_a_hook_of_somebody_else_that_raises_loses_no_call_of_a_committed_transaction(
    session: Session, fw_broker: FakeBroker
):
    """They are sent when the session ends the transaction, which its commit could not."""

    def audit(_: Session) -> None:
        raise ZeroDivisionError

    event.listen(session, "after_commit", audit)
    insert(session, 1)
    pay_task().options(after_commit=session).delay(1)
    with pytest.raises(ZeroDivisionError):
        session.commit()
    session.close()

    assert sent(fw_broker) == [1]


def test_a_hook_of_every_session_that_was_there_first_loses_no_call_either(
    session: Session, fw_broker: FakeBroker
):
    forget_listeners()

    def audit(_: Session) -> None:
        raise ZeroDivisionError

    event.listen(Session, "after_commit", audit)
    try:
        insert(session, 1)
        pay_task().options(after_commit=session).delay(1)
        with pytest.raises(ZeroDivisionError):
            session.commit()
        session.close()
    finally:
        event.remove(Session, "after_commit", audit)

    assert sent(fw_broker) == [1]


def test_nothing_piles_up_in_a_session_or_a_process_that_lives_long(
    session: Session, sessions: sessionmaker[Session], fw_broker: FakeBroker
):
    pay = pay_task()
    around = _block.get()

    for order_id in range(3):
        with after_commit(session), session.begin_nested():
            pay.delay(order_id)
        session.commit()
        with sessions.begin() as other, after_commit(other):
            pay.delay(order_id)

    held = holding._held_for(session)
    assert (held._waiting, held._committed) == ([], set())
    assert _block.get() is around
    assert [list(getattr(session.dispatch, name)).count(hear) for name, hear in LISTENERS] == [1, 1]


@pytest.mark.parametrize("of_all", [True, False])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_call_in_a_hook_of_the_commit_is_sent_with_it(
    session: Session,
    fw_broker: FakeBroker,
    of_all: bool,
    is_first: bool,
):
    """Also if it is the first in the process that waits for a session at all."""
    pay = pay_task()
    if is_first:
        forget_listeners()

    def audit(committed: Session) -> None:
        pay.options(after_commit=committed).delay(2)

    target = Session if of_all else session
    event.listen(target, "after_commit", audit)
    try:
        insert(session, 1)
        session.commit()
        assert sent(fw_broker) == [2]
    finally:
        event.remove(target, "after_commit", audit)
    pay.options(after_commit=session).delay(3)
    session.commit()
    assert sent(fw_broker) == [2, 3]


# What may be given


def test_a_scoped_session_is_that_of_the_moment(
    sessions: sessionmaker[Session], fw_broker: FakeBroker
):
    pay = pay_task()
    scoped = scoped_session(sessions)

    pay.options(after_commit=scoped).delay(1)
    scoped.commit()
    pay.options(after_commit=scoped).delay(2)
    scoped.remove()
    scoped.commit()
    scoped.remove()

    assert sent(fw_broker) == [1]


@pytest.mark.parametrize("wrong", [object(), "default", sessionmaker(), True])
def test_what_does_not_commit_is_refused(wrong: Any, fw_broker: FakeBroker):
    with pytest.raises(OptionError, match="after_commit takes a session, got"):
        pay_task().options(after_commit=wrong).delay(1)
    with pytest.raises(OptionError), after_commit(wrong):
        pass

    assert sent(fw_broker) == []


class Hooks:
    """Works as ``django.db.transaction`` does, inside an atomic block."""

    def __init__(self) -> None:
        self.hooks: list[Callable[[], Any]] = []

    def on_commit(self, func: Callable[[], Any], using: str | None = None) -> None:
        self.hooks.append(func)

    def commit(self) -> None:
        hooks, self.hooks = self.hooks, []
        for hook in hooks:
            hook()


def test_an_object_with_on_commit_says_when(fw_broker: FakeBroker):
    pay = pay_task()
    transaction = Hooks()

    pay.options(after_commit=transaction).delay(1)
    with after_commit(transaction):
        pay.delay(2)
    assert sent(fw_broker) == []
    transaction.commit()

    assert sent(fw_broker) == [1, 2]


def test_many_calls_have_one_hook(fw_broker: FakeBroker):
    """So they are one confirmed round, and one error."""
    transaction = Hooks()

    pay_task().options(after_commit=transaction).delay_many([(1,), (2,), (3,)])

    assert len(transaction.hooks) == 1
    transaction.commit()
    assert sent(fw_broker) == [1, 2, 3]


def test_nothing_is_held_when_one_of_many_calls_is_wrong(fw_broker: FakeBroker):
    transaction = Hooks()

    with pytest.raises(CallError):
        pay_task().options(after_commit=transaction).delay_many([(1,), ("two",)])

    assert not transaction.hooks


# A broker that is away after the commit


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A broker that refuses every message but the first so many; gives the ids that it saw."""
    seen: list[str] = []

    def publish(producer: Any, letter: Any, **_: Any) -> None:
        seen.append(letter.headers["id"])
        if len(seen) > 1:
            raise Unconfirmed("connection refused", maybe=False)

    monkeypatch.setattr(amqp, "publish", publish)
    return seen


def test_a_send_that_fails_says_that_the_transaction_is_committed(
    session: Session, fw_broker: FakeBroker, refusing: list[str], caplog: pytest.LogCaptureFixture
):
    """All are named by their ids; the session can be used again."""
    pay = pay_task()

    insert(session, 1)
    with after_commit(session):
        ids = [pay.delay(order_id).id for order_id in (1, 2, 3)]
    with pytest.raises(NotSent) as raised:
        session.commit()

    error = raised.value
    assert error.committed
    assert error.confirmed == {ids[0]}
    assert error.not_sent == {ids[1], ids[2]}
    assert error.in_doubt == set()
    assert "The transaction is committed and stays so: do not repeat it." in str(error)
    assert all(task_id in str(error) for task_id in ids[1:])
    assert ids[2] in caplog.text
    assert session.execute(text("SELECT id FROM orders")).scalars().all() == [1]
    session.commit()
    assert len(refusing) == 2


def test_a_block_of_begin_ends_with_the_error_and_its_work_kept(
    sessions: sessionmaker[Session], fw_broker: FakeBroker, refusing: list[str]
):
    pay = pay_task()

    pay.delay(0)
    with pytest.raises(SendError) as raised, sessions.begin() as session:
        insert(session, 1)
        result = pay.options(after_commit=session).delay(1)

    assert raised.value.task_id == result.id
    assert raised.value.committed
    with sessions() as session:
        assert session.execute(text("SELECT id FROM orders")).scalars().all() == [1]
