"""A call returns when its message is in a durable queue, or raises: nothing in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from amqp.exceptions import PreconditionFailed
from collected import wait_until
from live_tasks import fails, in_bulk, started_at
from tcp_proxy import proxied

from fw_core import MaybeSent, NotSent, SendError, client, headers
from fw_core.broker.app import App, create_app
from fw_core.broker.publish import Letter, Unconfirmed
from fw_core.broker.topology import Declared
from fw_core.broker.window import Window
from fw_core.declare.registry import TASK_REGISTRY
from fw_core.settings import read_settings
from fw_testing.services import Services


def test_a_call_returns_with_its_message_in_the_queue(fw_services: Services) -> None:
    """Confirmed, in a queue that no worker has declared yet."""
    in_bulk.delay()
    assert fw_services.count("bulk") == 1


@pytest.mark.usefixtures("at_one_moment")
def test_the_first_delayed_message_of_a_fresh_broker_is_kept(fw_services: Services) -> None:
    """Plain Celery loses it in silence: the exchange for delays does not exist yet."""
    started_at.options(delay=timedelta(minutes=1)).delay()
    assert fw_services.count("fw.wait.60000") == 1


def test_many_calls_are_all_in_the_queue_when_the_round_ends(fw_services: Services) -> None:
    """More than one window of confirms."""
    results = in_bulk.delay_many([() for _ in range(1_200)])
    assert len({result.id for result in results}) == 1_200
    assert fw_services.count("bulk") == 1_200


def test_who_sends_many_calls_hears_how_far_they_are(fw_services: Services) -> None:
    told: list[int] = []
    in_bulk.delay_many([() for _ in range(1_200)], progress=told.append)
    assert told == sorted(set(told))
    assert told[-1] == 1_200
    assert len(told) > 1


def test_an_error_of_who_hears_it_is_no_error_of_the_broker(fw_services: Services) -> None:
    """It ends the sending where it is; what went before is queued."""

    def stop(confirmed: int) -> None:
        raise KeyError(confirmed)

    with pytest.raises(KeyError):
        in_bulk.delay_many([() for _ in range(1_200)], progress=stop)
    in_bulk.delay_many([()])
    wait_until(lambda: fw_services.count("bulk") > 1, lambda: fw_services.count("bulk"), 20)


def test_a_full_queue_refuses_and_the_caller_is_told(fw_services: Services) -> None:
    """An operator limited the queue; a refused message is NotSent, not lost."""
    in_bulk.delay()
    _limit(fw_services, "bulk", 1)
    with pytest.raises(NotSent, match="the queue refused it"):
        for _ in range(5):
            in_bulk.delay()


def test_a_round_that_is_refused_says_which_calls_are_queued(fw_services: Services) -> None:
    """delay_many is not all or nothing, so it says what became of each call."""
    in_bulk.delay()
    _limit(fw_services, "bulk", 1)
    with pytest.raises(NotSent, match="the queue refused") as raised:
        # More than are on their way at a time: those that are may pass the limit.
        in_bulk.delay_many([() for _ in range(2_000)])
    error = raised.value
    assert len(error.ids) == 2_000
    assert error.not_sent
    assert not error.in_doubt
    assert error.confirmed | error.not_sent == set(error.ids)
    queued = 1 + len(error.confirmed)
    wait_until(
        lambda: fw_services.count("bulk") == queued, lambda: (fw_services.count("bulk"), queued), 20
    )
    assert "let workers empty the queue" in error.fix


def test_a_message_above_the_brokers_limit_is_not_sent(fw_services: Services) -> None:
    """RabbitMQ closes the channel on it; the next call works again."""
    with _sending_to(fw_services.broker_url, send_timeout=60, message_limit=200_000_000) as app:
        with pytest.raises(NotSent, match="larger than") as raised:
            app.task_of(fails).send_plain(("x" * 135_000_000,), {})
        fails.delay(0)
    assert "store the data and send where it is" in raised.value.fix
    assert fw_services.count("default") == 1


@pytest.mark.usefixtures("at_one_moment")
@pytest.mark.parametrize("delay", [None, 60])
def test_a_round_declares_again_what_was_deleted(
    fw_services: Services, delay: float | None
) -> None:
    """Returned as unroutable, or refused because the exchange is gone; all are kept."""
    call = in_bulk.options(delay=delay)
    call.delay_many([(), ()])
    name = "bulk" if delay is None else "fw.wait.60000"
    with fw_services.app.connection_for_write() as connection:
        connection.default_channel.queue_delete(name)
        if delay is not None:
            connection.default_channel.exchange_delete(name)
    call.delay_many([() for _ in range(600)])
    # All are confirmed; what the broker counts of a quorum queue can be a moment old.
    wait_until(lambda: fw_services.count(name) == 600, lambda: fw_services.count(name), 20)


def test_a_message_that_no_queue_takes_is_not_counted_as_confirmed(fw_services: Services) -> None:
    """The broker confirms what it returned; a round that cannot mend that says so."""

    class Nothing(Declared):
        def ensure(self, *_: Any, **__: Any) -> None: ...

    in_bulk.delay()
    app = fw_services.app
    lost = _foreign(app, queue="nowhere", headers={"id": "lost"}, correlation_id="another")
    queued = _foreign(app, queue="bulk", headers={"id": "lost"}, correlation_id="lost")
    with app.producer_or_acquire() as producer:
        window = Window(producer, Nothing(app.topology), 4)
        with pytest.raises(Unconfirmed, match="no queue takes it") as raised, window:
            window.publish(lost)
            window.publish(queued)
    assert raised.value.refused == [lost]
    assert raised.value.confirmed == [queued]
    assert not raised.value.in_doubt
    assert _purge(fw_services, "bulk") == 2  # what the broker took is not sent again


@pytest.mark.parametrize("given", [{}, {"message_id": "old"}], ids=["no id", "one id"])
def test_messages_that_look_alike_are_all_sent_again_when_a_connection_is_lost(
    fw_services: Services, given: dict[str, str]
) -> None:
    """Celery's first protocol keeps the id in the body: each message is one of its own."""
    with proxied(fw_services.broker_url) as (proxy, url), _sending_to(url) as app:
        in_bulk.delay()
        letters = [
            _foreign(app, queue="bulk", headers={}, body='{"id": "old"}', **given)
            for _ in range(10)
        ]
        with (
            app.producer_or_acquire() as producer,
            Window(producer, app.amqp.declared, 4) as window,
        ):
            proxy.freeze()
            for letter in letters:
                window.publish(letter)
            assert proxy.wait_until_swallowed(4)
            proxy.cut()
    assert window.confirmed == letters
    assert _purge(fw_services, "bulk") == 11


def test_a_message_that_was_returned_before_its_connection_was_lost_is_sent_once_more(
    fw_services: Services,
) -> None:
    """What the broker said of the first one is not taken for what it says of the second."""
    with proxied(fw_services.broker_url) as (proxy, url), _sending_to(url) as app:
        in_bulk.delay()
        letter = _foreign(app, queue="bulk", headers={}, message_id="old")
        with (
            app.producer_or_acquire() as producer,
            Window(producer, app.amqp.declared, 4) as window,
        ):
            proxy.freeze()
            window.publish(letter)
            window._on_return(None, letter.exchange, letter.queue, letter)
            assert proxy.wait_until_swallowed(4)
            proxy.cut()
    assert window.confirmed == [letter]
    assert _purge(fw_services, "bulk") == 2


def test_a_queue_deleted_behind_its_back_is_declared_again(fw_services: Services) -> None:
    """The broker returns the message as unroutable; the queue is made and the message kept."""
    in_bulk.delay()
    with fw_services.app.connection_for_write() as connection:
        connection.default_channel.queue_delete("bulk")
    in_bulk.delay()
    assert fw_services.count("bulk") == 1


def test_a_queue_with_other_arguments_is_named_as_the_cause(fw_services: Services) -> None:
    """Somebody declared it by hand: the call says what differs instead of hanging."""
    with fw_services.app.connection_for_write() as connection:
        connection.default_channel.queue_declare("bulk", durable=True, auto_delete=False)
        with pytest.raises(PreconditionFailed):
            fw_services.app.topology.declare_queue(connection.channel(), "bulk")
    with pytest.raises(NotSent, match="inequivalent arg"):
        in_bulk.delay()


def test_a_broker_that_falls_silent_is_maybe_sent_with_the_id_to_send_again(
    fw_services: Services,
) -> None:
    """The message left and no confirm came back: it may be queued."""
    with proxied(fw_services.broker_url) as (proxy, url), _sending_to(url):
        in_bulk.delay()
        proxy.freeze()
        started = time.monotonic()
        with pytest.raises(MaybeSent) as raised:
            in_bulk.options(id="call-7").delay()
        assert time.monotonic() - started < 5
    assert raised.value.task_id == "call-7"
    assert 'options(id="call-7")' in str(raised.value)


def test_declaring_on_a_broker_that_falls_silent_ends_in_time_too(fw_services: Services) -> None:
    """Nothing was written yet, so nothing can be queued."""
    with proxied(fw_services.broker_url) as (proxy, url), _sending_to(url):
        fails.delay(0)
        proxy.freeze()
        started = time.monotonic()
        with pytest.raises(NotSent):
            in_bulk.delay()
        with pytest.raises(NotSent):
            in_bulk.options(delay=60).delay()
        assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "call",
    [in_bulk.delay, in_bulk.options(delay=60).delay, lambda: in_bulk.delay_many([(), ()])],
    ids=["delay", "delayed", "delay_many"],
)
def test_a_broker_that_answers_slowly_gets_no_more_time_than_a_silent_one(
    fw_services: Services, call: Callable[[], Any]
) -> None:
    """Connecting and declaring are many answers, each of which comes in time by itself."""
    with proxied(fw_services.broker_url) as (proxy, url), _sending_to(url):
        proxy.slow(0.9)
        started = time.monotonic()
        with pytest.raises(NotSent):
            call()
        assert time.monotonic() - started < 6


def test_a_refusal_after_a_try_in_doubt_is_maybe_sent(fw_services: Services) -> None:
    """The first try may have reached the queue before its connection was lost."""
    with proxied(fw_services.broker_url) as (proxy, url), _sending_to(url):
        in_bulk.delay()
        in_bulk.delay()
        _limit(fw_services, "bulk", 1)
        proxy.freeze()
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(in_bulk.delay)
            assert proxy.wait_until_swallowed(4)
            proxy.cut()
            with pytest.raises(MaybeSent, match="the queue refused it"):
                call.result(10)


def test_a_call_that_is_sent_again_in_doubt_says_so(fw_services: Services) -> None:
    """Its confirm was lost: whoever gets the copy looks first whether the call has succeeded."""
    with proxied(fw_services.broker_url) as (proxy, url), _sending_to(url):
        in_bulk.delay()
        proxy.freeze()
        with ThreadPoolExecutor(1) as pool:
            again = pool.submit(in_bulk.delay)
            assert proxy.wait_until_swallowed(4)
            proxy.cut()
            again.result(10)
    assert _marked_in(fw_services, "bulk") == [False, True]


def test_a_round_that_is_sent_again_in_doubt_says_so(fw_services: Services) -> None:
    """What the lost connection owed is marked."""
    with proxied(fw_services.broker_url) as (proxy, url), _sending_to(url) as app:
        in_bulk.delay()
        ids = dict.fromkeys("ab", in_bulk.name)
        with app.producer_or_acquire() as producer, app.amqp.one_round(producer, ids):
            proxy.freeze()
            in_bulk.apply_async(task_id="a", producer=producer)
            in_bulk.apply_async(task_id="b", producer=producer)
            assert proxy.wait_until_swallowed(4)
            proxy.cut()
    assert _marked_in(fw_services, "bulk") == [False, True, True]


def test_more_threads_than_connections_all_hear_within_five_seconds(fw_services: Services) -> None:
    """Waiting for a free connection and for the confirm share one time."""

    def call(_: int) -> float:
        started = time.monotonic()
        with pytest.raises(SendError):
            in_bulk.delay()
        return time.monotonic() - started

    with proxied(fw_services.broker_url) as (proxy, url), _sending_to(url) as app:
        in_bulk.delay()
        proxy.freeze()
        threads = 2 * app.conf.broker_pool_limit + 3
        with ThreadPoolExecutor(threads) as pool:
            assert max(pool.map(call, range(threads))) < 5.5


def test_a_round_goes_on_over_a_new_connection(fw_services: Services) -> None:
    """What was owed is sent again under its own id: each call is queued at least once."""
    with proxied(fw_services.broker_url) as (proxy, url), _sending_to(url) as app:
        ids = {f"call-{number}": in_bulk.name for number in range(20)}
        with app.producer_or_acquire() as producer, app.amqp.one_round(producer, ids):
            for number, task_id in enumerate(ids):
                if number == 10:
                    proxy.cut()
                in_bulk.apply_async(task_id=task_id, producer=producer)
    assert _ids_in(fw_services, "bulk") == set(ids)


def test_an_idle_connection_that_died_is_no_error(fw_services: Services) -> None:
    """A firewall closes what is idle; neither a call nor a round fails by that."""
    with proxied(fw_services.broker_url) as (proxy, url), _sending_to(url):
        in_bulk.delay()
        proxy.cut()
        in_bulk.delay()
        proxy.cut()
        in_bulk.delay_many([(), ()])
    assert fw_services.count("bulk") == 4


def test_a_round_on_a_broker_that_falls_silent_names_what_is_in_doubt(
    fw_services: Services,
) -> None:
    """Confirmed are those before the silence, in doubt those in it, not sent the rest."""
    with proxied(fw_services.broker_url) as (proxy, url), _sending_to(url) as app:
        ids = {f"call-{number}": in_bulk.name for number in range(1_500)}
        started = 0.0
        with (
            pytest.raises(MaybeSent) as raised,
            app.producer_or_acquire() as producer,
            app.amqp.one_round(producer, ids),
        ):
            for number, task_id in enumerate(ids):
                if number == 700:
                    proxy.freeze()
                    started = time.monotonic()
                in_bulk.apply_async(task_id=task_id, producer=producer)
        assert time.monotonic() - started < 10
    error = raised.value
    assert error.confirmed <= _ids_in(fw_services, "bulk")
    assert "call-1" in error.confirmed
    assert "call-700" in error.in_doubt
    assert "call-1499" in error.not_sent
    assert error.confirmed | error.in_doubt | error.not_sent == set(ids)


@pytest.mark.parametrize(
    "url",
    [
        "amqp://guest:sekrit@127.0.0.1:1//",
        "amqp://guest:sekrit@no-such-host.invalid//",
    ],
)
def test_a_broker_that_is_not_there_is_not_sent_within_five_seconds(url: str) -> None:
    """The broker is named, its password is not."""
    with _sending_to(url):
        started = time.monotonic()
        with pytest.raises(NotSent) as raised:
            in_bulk.delay()
        assert time.monotonic() - started < 5.5
    assert "sekrit" not in str(raised.value)
    assert "guest:***@" in str(raised.value)


def test_a_wrong_password_is_told_at_once_and_not_shown(fw_services: Services) -> None:
    """Another try would not help, so none is made."""
    user, _, host = fw_services.broker_url.rpartition("@")
    url = user.rsplit(":", 1)[0] + ":sekrit@" + host
    with _sending_to(url):
        started = time.monotonic()
        with pytest.raises(NotSent, match="(?i)access_refused|login") as raised:
            in_bulk.delay()
        assert time.monotonic() - started < 2
    assert "sekrit" not in str(raised.value)


def test_a_database_that_is_down_does_not_stop_a_call(fw_services: Services) -> None:
    """Sending never touches the result database."""
    url = "postgresql://fw:fw@127.0.0.1:1/fw"
    with _sending_to(fw_services.broker_url, database_url=url):
        in_bulk.delay()  # the connection
        started = time.monotonic()
        in_bulk.delay()
        assert time.monotonic() - started < 0.5
    assert fw_services.count("bulk") == 2


def _foreign(
    app: App, *, queue: str, headers: dict[str, Any], body: str = "[[], {}, {}]", **properties: Any
) -> Letter:
    return app.amqp.letter(
        queue=queue,
        due=None,
        body=body,
        content_type="application/json",
        content_encoding="utf-8",
        headers=headers,
        properties=properties,
    )


def _purge(services: Services, queue: str) -> int:
    """How many messages were in a queue, which is empty then."""
    with services.app.connection_for_read() as connection:
        return int(connection.default_channel.queue_purge(queue))


def _ids_in(services: Services, queue: str) -> set[str]:
    """The ids of the calls in a queue, which is empty then."""
    return {found["id"] for found in _headers_in(services, queue)}


def _marked_in(services: Services, queue: str) -> list[bool]:
    """Whether each call in a queue, which is empty then, is to be looked up."""
    return [found.get(headers.CHECK, False) for found in _headers_in(services, queue)]


def _headers_in(services: Services, queue: str) -> list[dict[str, Any]]:
    """The headers of the calls in a queue, which is empty then."""
    found: list[dict[str, Any]] = []
    with services.app.connection_for_read() as connection:
        simple = connection.default_channel
        while (message := simple.basic_get(queue, no_ack=True)) is not None:
            found.append(message.headers)
    return found


@contextmanager
def _sending_to(url: str, **given: Any) -> Iterator[App]:
    """Send the block's calls through an app of its own."""
    given = {"database_url": "sqlite://", "task_modules": (), **given}
    settings = read_settings(broker_url=url, **given)
    app = create_app(settings, TASK_REGISTRY)
    try:
        with client.using(app):
            yield app
    finally:
        app.amqp.close_connections()
        app.close()


def _limit(services: Services, queue: str, length: int) -> None:
    """Limit a queue by policy, as an operator would."""
    if services.management is None:
        pytest.skip("needs the management API to limit a queue: set FW_TEST_MANAGEMENT_URL")
    services.management.call(
        "PUT",
        f"policies/{services.management.vhost}/limit",
        {
            "pattern": f"^{queue}$",
            "definition": {"max-length": length, "overflow": "reject-publish"},
            "apply-to": "queues",
        },
    )
    path = f"queues/{services.management.vhost}/{queue}"
    wait_until(
        lambda: (services.management.call("GET", path) or {}).get("policy") == "limit",
        lambda: services.management.call("GET", path),
        20,
    )
