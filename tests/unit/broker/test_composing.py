"""The short way of a call makes the message that Celery makes, and tells whom Celery tells."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import signals
from hypothesis import given
from hypothesis import strategies as st

from fw_core import CallError, task_framework
from fw_core.broker.app import App, create_app
from fw_core.broker.compose import Wanted, send_call
from fw_core.broker.holding import Outgoing, held_by
from fw_core.settings import read_settings
from fw_testing import FakeBroker

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@task_framework(name="composing.plain", queue="default")
def plain(*args: Any, **kwargs: Any) -> None: ...


@task_framework(name="composing.apart", queue="bulk", priority=7, expires=90, ignore_result=True)
def apart(*args: Any, **kwargs: Any) -> None: ...


TASKS = (plain, apart)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


class Kept:
    """Keeps what is held."""

    def __init__(self) -> None:
        self.messages: list[Outgoing] = []

    def hold(self, messages: Sequence[Outgoing]) -> None:
        self.messages += messages


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    settings = read_settings(broker_url="local://memory/composing", task_modules=(), prefix="team-")
    made = create_app(settings, {task.name: task for task in TASKS}, clock=lambda: NOW)
    yield made
    made.close()


@given(
    st.sampled_from(TASKS),
    st.lists(json_values, max_size=4),
    st.dictionaries(st.text(min_size=1), json_values, max_size=3),
    st.builds(
        Wanted,
        queue=st.sampled_from([None, "bulk", "default"]),
        delay=st.none() | st.floats(0.1, 3e7),
        priority=st.none() | st.integers(0, 9),
        expires=st.none() | st.floats(0.1, 3e7) | st.just(NOW + timedelta(days=2)),
        headers=st.sampled_from([{}, {"fw-check": True}]),
    ),
)
def test_the_message_is_the_one_that_celery_makes(
    app: App, handle: Any, args: list[Any], kwargs: dict[str, Any], wanted: Wanted
) -> None:
    task, keeper = app.task_of(handle), Kept()
    asked: dict[str, Any] = {
        "countdown": wanted.delay,
        "priority": wanted.priority,
        "expires": wanted.expires,
        "queue": wanted.queue and app.topology.task_queue(wanted.queue),
        "headers": dict(wanted.headers),
    }
    with held_by(keeper):
        task.send_plain(
            tuple(args),
            kwargs,
            task_id="one",
            **{name: value for name, value in asked.items() if value is not None},
        )
        send_call(task, tuple(args), kwargs, task_id="one", wanted=wanted)
    celerys, own = keeper.messages
    for message in celerys, own:
        del message.properties["message_id"]
    for field in dataclasses.fields(Outgoing):
        assert getattr(own, field.name) == getattr(celerys, field.name), field.name
    assert list(own.headers) == list(celerys.headers)


def test_the_event_of_a_call_is_celerys(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    task, keeper = app.task_of(plain), Kept()
    monkeypatch.setitem(app.conf, "task_send_sent_event", True)
    with held_by(keeper):
        task.send_plain((1,), {}, task_id="one")
        send_call(task, (1,), {}, task_id="one")
    celerys, own = keeper.messages
    assert own.sent_event == celerys.sent_event
    assert own.sent_event is not None


def test_who_listens_before_a_call_is_published_can_add_to_it(fw_broker: FakeBroker) -> None:
    """Tracing does: what it adds to the headers travels, and what it adds to the body."""

    @task_framework
    def work(number: int) -> None: ...

    def before(sender: str, headers: Any, body: Any, properties: Any, **_: Any) -> None:
        headers["traceparent"] = f"trace of {sender}"
        body[1]["also"] = properties["correlation_id"]

    signals.before_task_publish.connect(before)
    try:
        result = work.delay(7)
    finally:
        signals.before_task_publish.disconnect(before)
    [view] = fw_broker._world.views()
    assert view.headers["traceparent"] == f"trace of {work.name}"
    assert json.loads(view.body)[:2] == [[7], {"also": result.id}]


def test_a_call_that_a_task_sends_names_it_and_its_first(fw_broker: FakeBroker) -> None:
    @task_framework(ignore_result=True)
    def leaf() -> None: ...

    @task_framework(ignore_result=True)
    def branch() -> None:
        leaf.delay()

    @task_framework(ignore_result=True)
    def root() -> None:
        branch.delay()

    first = root.delay()
    fw_broker.run_next()
    [second] = fw_broker._world.views()
    fw_broker.run_next()
    [third] = fw_broker._world.views()
    assert (second.headers["root_id"], second.headers["parent_id"]) == (first.id, first.id)
    assert (third.headers["root_id"], third.headers["parent_id"]) == (
        first.id,
        second.headers["id"],
    )


def test_a_call_that_is_too_large_is_refused_before_it_is_sent(fw_broker: FakeBroker) -> None:
    @task_framework
    def work(text: str) -> None: ...

    with pytest.raises(CallError, match="bytes as JSON"):
        work.delay("x" * 200_000)
    assert not fw_broker.sent
