"""The store through kombu: what Celery and the framework's publisher rely on."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import ChannelError, NotFound, PreconditionFailed
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.asynchronous import Hub

from fw_core.broker.local import (
    Store,
    file_store,
    file_url,
    forget,
    memory_store,
    memory_url,
    register,
)

TASKS = Exchange("tasks", "topic")
MAIL = Queue("mail", TASKS, routing_key="mail.#", queue_arguments={"x-delivery-limit": 2})
FAX = Queue("fax", TASKS, routing_key="fax")


@pytest.fixture
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    register()
    name = request.node.nodeid
    with Connection(memory_url(name)) as opened:
        MAIL(opened.default_channel).declare()
        FAX(opened.default_channel).declare()
        yield opened
    forget(name)


@pytest.fixture
def store(connection: Connection) -> Store:
    return connection.transport.store


def publish(connection: Connection, *bodies: object, key: str = "mail", **options: Any) -> None:
    for body in bodies:
        connection.Producer().publish(body, exchange="tasks", routing_key=key, **options)


def counts(store: Store) -> dict[str, tuple[int, int]]:
    return {queue.name: (queue.ready, queue.owned) for queue in store.queues()}


def test_registering_twice_is_the_same_as_once(connection: Connection):
    register()

    assert connection.transport.driver_type == "local"
    assert connection.transport.implements.asynchronous


def test_a_message_arrives_as_it_does_over_amqp(connection: Connection):
    publish(connection, {"a": 1}, headers={"id": "x"}, correlation_id="c", priority=3)

    message = MAIL(connection.default_channel).get()

    assert message.payload == {"a": 1}
    assert message.headers == {"id": "x"}
    assert message.properties["correlation_id"] == "c"
    assert (message.content_type, message.content_encoding) == ("application/json", "utf-8")
    info = message.delivery_info
    assert (info["exchange"], info["routing_key"], info["redelivered"]) == ("tasks", "mail", False)


def test_a_requeued_message_says_so(connection: Connection):
    publish(connection, 1)
    queue = MAIL(connection.default_channel)
    queue.get().requeue()

    message = queue.get()

    assert message.delivery_info["redelivered"] is True
    assert message.headers["x-delivery-count"] == 1


def test_an_unroutable_mandatory_message_is_given_to_the_producers_handler(
    connection: Connection,
):
    returned: list[tuple[Any, ...]] = []
    producer = Producer(connection.channel(), on_return=lambda *facts: returned.append(facts))

    producer.publish(1, exchange="tasks", routing_key="letter", mandatory=True)
    producer.publish(2, exchange="tasks", routing_key="mail", mandatory=True)
    producer.publish(3, exchange="tasks", routing_key="letter")

    [(error, exchange, key, message)] = returned
    assert isinstance(error, ChannelError)
    assert (error.reply_code, exchange, key, message.body) == (312, "tasks", "letter", "1")


def test_the_handler_is_found_on_a_connections_default_channel(connection: Connection):
    """kombu registers it late, when the channel is first used."""
    returned: list[object] = []
    producer = Producer(connection, on_return=lambda *facts: returned.append(facts))

    producer.publish(1, exchange="tasks", routing_key="letter", mandatory=True)

    assert len(returned) == 1


@pytest.mark.parametrize("retry", [False, True])
def test_an_unroutable_mandatory_message_raises_when_nobody_listens(
    connection: Connection, retry: bool
):
    """At once, even with kombu's publish retries: sending again would not help."""
    with pytest.raises(ChannelError, match="NO_ROUTE"):
        publish(connection, 1, key="letter", mandatory=True, retry=retry)


def test_publishing_to_an_unknown_exchange_raises(connection: Connection):
    with pytest.raises(NotFound, match="no exchange 'nowhere'"):
        connection.Producer().publish(1, exchange="nowhere", routing_key="mail")


def test_declaring_a_queue_otherwise_raises_as_rabbitmq_does(connection: Connection):
    other = Queue("mail", TASKS, routing_key="mail.#", queue_arguments={"x-delivery-limit": 3})

    with pytest.raises(PreconditionFailed, match="'x-delivery-limit' for queue 'mail'"):
        other(connection.channel()).declare()


def test_declaring_an_exchange_otherwise_raises_as_rabbitmq_does(connection: Connection):
    with pytest.raises(PreconditionFailed, match="'type' for exchange 'tasks'"):
        Exchange("tasks", "direct")(connection.channel()).declare()


def test_a_passive_declaration_finds_or_raises(connection: Connection):
    publish(connection, 1)

    found = connection.default_channel.queue_declare("mail", passive=True)

    assert found.message_count == 1
    with pytest.raises(NotFound):
        connection.default_channel.queue_declare("letter", passive=True)


def test_the_prefetch_limit_holds(connection: Connection, store: Store):
    publish(connection, *range(5))
    got: list[Any] = []
    with Consumer(connection, [MAIL], on_message=got.append, prefetch_count=2) as consumer:
        for _ in range(2):
            connection.drain_events(timeout=5)
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0)
        assert counts(store)["mail"] == (3, 2)

        got[0].ack()
        connection.drain_events(timeout=5)
        consumer.qos(prefetch_count=0)
        for _ in range(2):
            connection.drain_events(timeout=5)

    assert [message.payload for message in got] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_no_queue_waits_for_a_fuller_one(connection: Connection, prefetch: int):
    publish(connection, *range(300))
    publish(connection, "fax", key="fax")
    got: list[Any] = []

    def settle(body: object, message: Any) -> None:
        got.append(body)
        message.ack()

    with Consumer(connection, [MAIL, FAX], callbacks=[settle], prefetch_count=prefetch):
        for _ in range(60):
            connection.drain_events(timeout=5)

    assert "fax" in got


def test_no_channel_waits_for_a_busier_one(connection: Connection):
    """Remote control has a channel of its own, and must be heard while tasks pour in."""
    publish(connection, *range(50))
    publish(connection, "fax", key="fax")
    got: list[Any] = []

    def settle(body: object, message: Any) -> None:
        got.append(body)
        message.ack()

    for queue in (MAIL, FAX):
        Consumer(connection.channel(), [queue], callbacks=[settle]).consume()
    for _ in range(4):
        connection.drain_events(timeout=5)

    assert "fax" in got


def test_two_channels_of_one_connection_share_a_queue(connection: Connection):
    got: list[int] = []
    channels = [connection.channel(), connection.channel()]
    for number, channel in enumerate(channels):
        consumer = Consumer(channel, [MAIL], prefetch_count=1, auto_declare=False)
        consumer.register_callback(lambda body, message, number=number: got.append(number))
        consumer.consume()
        channel.basic_qos(0, 1, False)
    publish(connection, 1, 2)

    for _ in range(2):
        connection.drain_events(timeout=5)

    assert sorted(got) == [0, 1]


def test_cancelling_gives_back_what_was_not_handed_out(connection: Connection, store: Store):
    publish(connection, *range(5))
    consumer = Consumer(connection, [MAIL], on_message=lambda message: None, prefetch_count=4)
    consumer.consume()
    connection.drain_events(timeout=5)
    assert counts(store)["mail"] == (1, 4)

    consumer.cancel()

    assert counts(store)["mail"] == (4, 1)
    assert all(message.returns == 0 for message in store.messages("mail"))


def test_cancelling_one_queue_keeps_what_waits_for_another(connection: Connection):
    publish(connection, *range(3))
    publish(connection, "fax", key="fax")
    got: list[Any] = []
    channel = connection.channel()
    mail = Consumer(channel, [MAIL], callbacks=[lambda body, message: got.append(body)])
    fax = Consumer(channel, [FAX], callbacks=[lambda body, message: got.append(body)])
    mail.consume()
    fax.consume()
    connection.drain_events(timeout=5)

    mail.cancel()
    connection.drain_events(timeout=5)

    assert got == [0, "fax"]


def test_a_forked_child_that_closes_its_parents_connection_takes_nothing_from_it(tmp_path: Path):
    """Celery's pool children close what they inherit."""
    register()
    with Connection(file_url(tmp_path / "broker.db")) as parents:
        MAIL(parents.default_channel).declare()
        publish(parents, 1, 2)
        got: list[Any] = []
        consumer = Consumer(parents, [MAIL], on_message=got.append, prefetch_count=2)
        consumer.consume()
        parents.drain_events(timeout=5)

        child = os.fork()
        if child == 0:
            try:
                parents.drain_events(timeout=0)
            except TimeoutError:
                parents.close()
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0

        assert counts(file_store(tmp_path / "broker.db"))["mail"] == (0, 2)
        parents.drain_events(timeout=5)
        assert [message.payload for message in got] == [1, 2]


@pytest.mark.parametrize("way", ["channel", "connection", "dropped"])
def test_closing_gives_back_all_that_is_unsettled_without_counting(
    connection: Connection, store: Store, way: str
):
    publish(connection, *range(3))
    second = Connection(connection.as_uri())
    channel = second.channel()
    consumer = Consumer(channel, [MAIL], on_message=lambda message: None, prefetch_count=2)
    consumer.consume()
    second.drain_events(timeout=5)
    assert counts(store)["mail"] == (1, 2)

    if way == "channel":
        channel.close()
    elif way == "connection":
        second.close()
    else:
        del second, channel, consumer
        gc.collect()

    assert counts(store)["mail"] == (3, 0)
    assert [message.returns for message in store.messages("mail")] == [0, 0, 0]
    assert {queue.name: queue.listeners for queue in store.queues()}["mail"] == 0


def test_settling_after_the_channel_has_gone_harms_nobody(connection: Connection, store: Store):
    """A pool thread may finish late; by then the message is another worker's."""
    publish(connection, 1)
    channel = connection.channel()
    late = MAIL(channel).get()
    channel.close()
    MAIL(connection.default_channel).get()

    channel.basic_ack(late.delivery_tag)

    assert counts(store)["mail"] == (0, 1)


def test_one_acknowledgement_can_speak_for_all_before_it(connection: Connection, store: Store):
    publish(connection, *range(4))
    queue = MAIL(connection.default_channel)
    got = [queue.get() for _ in range(4)]

    got[2].ack(multiple=True)

    assert counts(store)["mail"] == (0, 1)


def test_messages_without_acknowledgement_are_gone_when_handed_out(
    connection: Connection, store: Store
):
    publish(connection, 1)
    got: list[Any] = []
    with Consumer(connection, [MAIL], on_message=got.append, no_ack=True):
        connection.drain_events(timeout=5)

    got[0].ack()  # kombu's callers may: it does nothing
    assert counts(store)["mail"] == (0, 0)


def test_a_batch_is_stored_all_at_once(connection: Connection, store: Store):
    producer = connection.Producer()
    with producer.batch():
        for number in range(3):
            producer.publish(number, exchange="tasks", routing_key="mail")
        assert counts(store)["mail"] == (0, 0)

    assert counts(store)["mail"] == (3, 0)


def test_a_batch_that_fails_stores_nothing(connection: Connection, store: Store):
    producer = connection.Producer()

    def fail() -> None:
        with producer.batch():
            producer.publish(1, exchange="tasks", routing_key="mail")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert counts(store)["mail"] == (0, 0)


def test_a_waiting_consumer_is_woken_by_a_publisher(connection: Connection):
    """By the byte, not by the tick of one second; the bound is wide for a busy machine."""
    got: list[float] = []
    listening = Consumer(
        connection,
        [MAIL],
        on_message=lambda message: got.append(time.monotonic() - message.payload),
    )
    listening.consume()

    def publish_when_idle() -> None:
        with Connection(connection.as_uri()) as other:
            for _ in range(5):
                before = len(got)
                publish(other, time.monotonic())
                while len(got) == before and waiting.is_alive():
                    waiting.join(0.001)

    def wait() -> None:
        for _ in range(5):
            connection.drain_events(timeout=10)

    waiting = threading.Thread(target=wait)
    waiting.start()
    publish_when_idle()
    waiting.join()

    assert sorted(got)[2] < 0.5


def test_a_waiting_consumer_is_woken_when_a_delay_ends(connection: Connection):
    eta = time.time() + 0.2
    publish(connection, 1, headers={"eta": datetime.fromtimestamp(eta, UTC).isoformat()})
    got: list[float] = []
    with Consumer(connection, [MAIL], on_message=lambda message: got.append(time.time())):
        connection.drain_events(timeout=10)

    assert eta <= got[0] < eta + 0.5


def test_draining_ends_with_a_timeout_when_nothing_comes(connection: Connection):
    with Consumer(connection, [MAIL]), pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.01)


def test_every_reply_reaches_its_own_queue(connection: Connection):
    """As remote control does: a fanout out, replies back on queues that delete themselves."""
    everyone = Exchange("everyone", "fanout", auto_delete=True)
    got: list[str] = []
    consumers = []
    for name in ("one", "two"):
        queue = Queue(name, everyone, auto_delete=True, expires=10)
        consumer = Consumer(connection.channel(), [queue], no_ack=True)
        consumer.register_callback(lambda body, message, name=name: got.append(name))
        consumer.consume()
        consumers.append(consumer)
    connection.Producer().publish("ping", exchange="everyone")

    for _ in range(2):
        connection.drain_events(timeout=5)
    for consumer in consumers:
        consumer.cancel()

    assert sorted(got) == ["one", "two"]
    assert "one" not in counts(memory_store(connection.transport.store._database.name))


def turn(hub: Hub, until: Callable[[], bool]) -> float:
    """Let the event loop run until the condition holds; return how many seconds it took."""
    started = time.monotonic()
    loop = hub.create_loop()
    while not until() and time.monotonic() < started + 20:
        next(loop)
    assert until()
    return time.monotonic() - started


@pytest.fixture
def hub(connection: Connection) -> Iterator[Hub]:
    """The event loop that Celery's worker runs, with the connection in it."""
    made = Hub()
    connection.register_with_event_loop(made)
    yield made
    connection.transport.unregister_from_event_loop(connection.connection, made)
    assert not made.readers
    made.close()


def test_the_event_loop_fetches_the_next_message_as_soon_as_there_is_room(
    connection: Connection, hub: Hub
):
    """Not at the next tick: with ten ticks this would take ten seconds."""
    publish(connection, *range(10))
    got: list[Any] = []
    consumer = Consumer(connection, [MAIL], on_message=got.append, prefetch_count=1)
    consumer.consume()

    def settle_each() -> bool:
        if got and not got[-1].acknowledged:
            got[-1].ack()
        return len(got) == 10

    assert turn(hub, settle_each) < 5
    assert [message.payload for message in got] == list(range(10))


def test_the_event_loop_keeps_a_delay_to_the_point(connection: Connection, hub: Hub):
    got: list[float] = []
    consumer = Consumer(connection, [MAIL], on_message=lambda message: got.append(time.time()))
    consumer.consume()
    turn(hub, lambda: connection.transport._next_tick > time.monotonic())
    eta = time.time() + 0.15

    publish(connection, 1, headers={"eta": datetime.fromtimestamp(eta, UTC).isoformat()})
    turn(hub, lambda: bool(got))

    assert eta <= got[0] < eta + 0.6


def test_a_full_inbox_does_not_keep_the_event_loop_spinning(connection: Connection, hub: Hub):
    """A message that is due but not wanted yet must not be looked for again and again."""
    publish(connection, *range(2))
    eta = datetime.fromtimestamp(time.time() + 0.1, UTC).isoformat()
    publish(connection, 3, headers={"eta": eta})
    got: list[Any] = []
    consumer = Consumer(connection, [MAIL], on_message=got.append, prefetch_count=1)
    consumer.consume()
    loop, started, turns = hub.create_loop(), time.monotonic(), 0

    while time.monotonic() < started + 1:
        next(loop)
        turns += 1

    assert len(got) == 1
    assert turns < 50
