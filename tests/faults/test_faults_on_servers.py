"""What is lost and what is repeated when something breaks: RabbitMQ and PostgreSQL."""

from __future__ import annotations

import pytest
from kombu import Connection
from tcp_proxy import proxied

from . import everywhere
from .fleet import PREFETCHED
from .scene import Scene
from .servers import Servers, wait_until

pytestmark = [pytest.mark.fw_faults, pytest.mark.timeout(400)]

WORKERS = 2
OUTAGE_SECONDS = 10.0


@pytest.mark.parametrize("fault", everywhere.FAULTS, ids=lambda fault: fault.__name__)
def test_on_servers(scene: Scene, fault: everywhere.Fault):
    fault(scene)


def test_a_broker_that_is_stopped_and_started(scene: Scene, servers: Servers):
    """What the workers held is delivered again; nothing else is repeated."""
    scene.load(WORKERS)
    with scene.fault():
        servers.broker.stop()
        scene.last(OUTAGE_SECONDS)
        servers.broker.start()

    scene.finish("broker stopped for 10 s", repeated_at_most=WORKERS * PREFETCHED)


def test_a_connection_that_falls_silent(scene: Scene):
    """Nobody closes it, no packet comes any more; the broker is well and takes new connections."""
    with proxied(scene.settings.broker_url) as (proxy, url):
        scene.fleet.settings = scene.settings.model_copy(update={"broker_url": url})
        scene.load(WORKERS)
        with scene.fault():
            proxy.drop()
        scene.wait_for_quiet(2)

        scene.finish("workers' connections silent", repeated_at_most=WORKERS * PREFETCHED)


def test_acknowledgements_that_never_arrive(scene: Scene):
    """A connection breaks after the bodies have run and before the broker has heard of it."""
    rounds = 5
    with proxied(scene.settings.broker_url) as (proxy, url):
        scene.fleet.settings = scene.settings.model_copy(update={"broker_url": url})
        scene.load(WORKERS)
        with scene.fault():
            for _ in range(rounds):
                proxy.mute()
                scene.wait_for_quiet(1)
                proxy.cut()
                scene.wait_for_runs(scene.calls // 50)

        bound = rounds * WORKERS * PREFETCHED
        scene.finish("acknowledgements lost, five times", repeated_at_most=bound)


def test_channels_that_the_broker_closes(scene: Scene, servers: Servers):
    """The workers' channels end with a channel error; their connections stay."""
    times = 3
    vhost = scene.settings.broker_url.rpartition("/")[2]
    close = (
        "lists:foreach(fun(C) -> [{vhost, V}, {consumer_count, N}] = "
        "rabbit_channel:info(C, [vhost, consumer_count]), "
        f'case (V == <<"{vhost}">>) and (N > 0) of '
        "true -> rabbit_channel:do(C, {'basic.ack', 999999999, false}); "
        "false -> ok end end, rabbit_channel:list())."
    )
    scene.load(WORKERS)
    with scene.fault():
        for _ in range(times):
            servers.broker.control("eval", close)
            scene.wait_for_runs(scene.calls // 50)

    bound = times * WORKERS * PREFETCHED
    scene.finish("channels closed by the broker, three times", repeated_at_most=bound)


def test_a_broker_out_of_memory(scene: Scene, servers: Servers):
    """It blocks whoever publishes: senders, and workers that send a retry or a next step."""
    scene.load(WORKERS)
    with scene.fault():
        servers.broker.control("set_vm_memory_high_watermark", "0")
        try:
            scene.last(OUTAGE_SECONDS)
        finally:
            servers.broker.control("set_vm_memory_high_watermark", "0.4")

    scene.finish("memory alarm for 10 s", repeated_at_most=WORKERS * PREFETCHED)


def test_results_that_cannot_be_stored(scene: Scene, servers: Servers):
    """fw's database is away, that of the tasks is not: what is done is not done again."""
    scene.load(WORKERS)
    with scene.fault():
        servers.database.stop()
        scene.last(OUTAGE_SECONDS)
        servers.database.start()

    scene.finish("PostgreSQL of the results stopped for 10 s", repeated_at_most=0)


def test_a_database_that_the_tasks_need_too(scene: Scene, servers: Servers):
    """Their writes fail and are tried again by their policy, while no outcome can be stored."""
    scene.load(WORKERS)
    with scene.fault():
        servers.database.stop()
        servers.journal.stop()
        scene.last(OUTAGE_SECONDS)
        servers.journal.start()
        servers.database.start()

    bound = WORKERS * PREFETCHED  # rows whose commit the task was not told of
    scene.finish("PostgreSQL of results and tasks stopped for 10 s", repeated_at_most=bound)


def test_messages_that_were_all_delivered_before(scene: Scene):
    """Somebody took every message and went away without running one."""
    scene.send()
    scene.producer.send_the_rest()
    wait_until(lambda: scene.producer.has_ended, "all is sent")
    wait_until(lambda: scene.messages.left().get("default") == scene.calls, "nothing waits")
    with scene.fault(), Connection(scene.settings.broker_url) as connection:
        channel = connection.channel()
        taken = 0
        while channel.basic_get("default") is not None:
            taken += 1
        assert taken == scene.calls
    scene.fleet.start(WORKERS)

    scene.finish("every message redelivered", repeated_at_most=0)
