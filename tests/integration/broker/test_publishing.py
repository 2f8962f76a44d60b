"""A call returns when its message is in a durable queue, or raises: nothing in between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from amqp.exceptions import PreconditionFailed
from live_tasks import fails, in_bulk, started_at
from tcp_proxy import proxied

from fw_core import MaybeSent, NotSent, client
from fw_core.broker.app import App, create_app
from fw_core.declare.registry import TASK_REGISTRY
from fw_core.settings import read_settings
from fw_testing.services import Services


def test_a_call_returns_with_its_message_in_the_queue(fw_services: Services) -> None:
    """Confirmed, in a queue that no worker has declared yet."""
    in_bulk.delay()
    assert fw_services.count("bulk") == 1


def test_the_first_delayed_message_of_a_fresh_broker_is_kept(fw_services: Services) -> None:
    """Plain Celery loses it in silence: the exchange for delays does not exist yet."""
    started_at.options(delay=timedelta(minutes=1)).delay()
    assert fw_services.count("fw.wait.60000") == 1


def test_many_calls_are_all_in_the_queue_when_the_round_ends(fw_services: Services) -> None:
    """More than one window of confirms."""
    results = in_bulk.delay_many([() for _ in range(1_200)])
    assert len({result.id for result in results}) == 1_200
    assert fw_services.count("bulk") == 1_200


def test_a_full_queue_refuses_and_the_caller_is_told(fw_services: Services) -> None:
    """An operator limited the queue; a refused message is NotSent, not lost."""
    in_bulk.delay()
    _limit(fw_services, "bulk", 1)
    with pytest.raises(NotSent, match="the queue refused it"):
        for _ in range(5):
            in_bulk.delay()


def test_a_round_with_a_refused_message_says_how_many_were_confirmed(
    fw_services: Services,
) -> None:
    """delay_many is not all or nothing, so it says where it stands."""
    in_bulk.delay()
    _limit(fw_services, "bulk", 1)
    with pytest.raises(NotSent) as raised:
        in_bulk.delay_many([() for _ in range(50)])
    assert "were confirmed before" in raised.value.__notes__[0]


def test_a_message_above_the_brokers_limit_is_not_sent(fw_services: Services) -> None:
    """RabbitMQ closes the channel on it; the next call works again."""
    with _sending_to(fw_services.broker_url, send_timeout=60) as app:
        with pytest.raises(NotSent, match="larger than"):
            app.task_of(fails).send_plain(("x" * 135_000_000,), {})
        fails.delay(0)
    assert fw_services.count("default") == 1


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
