"""Calls that wait for an ``AsyncSession``; run by ``nox -s frameworks``, which has its drivers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from fw_core import NotSent, after_commit, task_framework
from fw_core.broker import amqp
from fw_core.broker.publish import Unconfirmed
from fw_testing import FakeBroker

pytest.importorskip("aiosqlite")
pytest.importorskip("greenlet")

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker
from sqlalchemy.ext.asyncio import create_async_engine as create


def pay_task() -> Any:
    @task_framework
    def pay(order_id: int) -> int:
        return order_id

    return pay


def sent(broker: FakeBroker) -> list[int]:
    return [message.args[0] for message in broker.sent]


def test_calls_follow_commits_and_savepoints(fw_broker: FakeBroker):
    pay = pay_task()

    async def main() -> None:
        engine = create("sqlite+aiosqlite://")
        async with AsyncSession(engine) as session:
            pay.options(after_commit=session).delay(1)
            await pay.options(after_commit=session).adelay(2)
            await session.execute(text("SELECT 1"))
            assert sent(fw_broker) == []
            await session.commit()
            assert sent(fw_broker) == [1, 2]
            with after_commit(session):
                pay.delay(3)
                savepoint = await session.begin_nested()
                pay.delay(4)
                await savepoint.rollback()
            await session.commit()
            pay.options(after_commit=session).delay(5)
            await session.rollback()
        async with async_sessionmaker(engine).begin() as session:
            pay.options(after_commit=session).delay(6)
        scoped = async_scoped_session(async_sessionmaker(engine), asyncio.current_task)
        pay.options(after_commit=scoped).delay(7)
        await scoped.commit()
        await scoped.remove()
        await engine.dispose()

    asyncio.run(main())
    assert sent(fw_broker) == [1, 2, 3, 6, 7]


def test_the_loop_goes_on_while_a_commit_sends(
    fw_broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
):
    """A broker that does not answer holds up this request, not the others."""
    pay = pay_task()
    loop_went_on = threading.Event()
    publishing = threading.Event()

    def publish(*_: Any, **__: Any) -> None:
        publishing.set()
        if not loop_went_on.wait(10):
            raise Unconfirmed("the loop stood still", maybe=False)
        raise Unconfirmed("connection refused", maybe=False)

    async def other() -> None:
        await asyncio.to_thread(publishing.wait, 10)
        loop_went_on.set()

    async def main() -> None:
        engine = create("sqlite+aiosqlite://")
        async with AsyncSession(engine) as session:
            pay.options(after_commit=session).delay(1)
            task = asyncio.create_task(other())
            with pytest.raises(NotSent, match="connection refused") as raised:
                await session.commit()
            assert raised.value.committed
            await task
            await session.execute(text("SELECT 1"))
            await session.commit()
        await engine.dispose()

    monkeypatch.setattr(amqp, "publish", publish)
    asyncio.run(main())
