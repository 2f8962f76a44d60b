"""Names and arguments on the broker: the contract between producer and worker."""

from __future__ import annotations

import pytest

from fw_core.broker.delays import STEPS_MS
from fw_core.broker.topology import DELIVERY_LIMIT, Topology

PREFIXES = ["", "shop.", "fw."]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_name_stands_behind_the_prefix(prefix):
    """Several systems can share one vhost."""
    topology = Topology(prefix=prefix)
    names = [
        topology.tasks,
        topology.due,
        topology.dead,
        topology.wait(3000),
        topology.queue_name("default"),
        topology.task_queue("bulk").name,
        topology.dead_queue().name,
        topology.wait_queue(3000).name,
    ]

    assert all(name.startswith(prefix) for name in names)
    assert [name.removeprefix(prefix) for name in names] == [
        "fw.tasks", "fw.due", "fw.dead", "fw.wait.3000", "default", "bulk", "fw.dead",
        "fw.wait.3000",
    ]  # fmt: skip


def test_systems_with_different_prefixes_share_no_name():
    def names(prefix: str) -> set[str]:
        topology = Topology(prefix=prefix)
        return {
            topology.tasks, topology.due, topology.dead, topology.queue_name("default"),
            *map(topology.wait, STEPS_MS),
        }  # fmt: skip

    assert not names("one.") & names("two.")


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_task_queue_keeps_what_it_is_given(prefix):
    topology = Topology(prefix=prefix)

    queue = topology.task_queue("default")

    assert queue.durable
    assert queue.routing_key == queue.name
    assert queue.exchange.name == topology.tasks
    assert queue.exchange.type == "topic"
    assert queue.queue_arguments == {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": topology.dead,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def test_the_delivery_limit_is_a_high_backstop():
    """It counts deliveries, not runs: a message may be prefetched by workers that restart."""
    assert DELIVERY_LIMIT >= 20


@pytest.mark.parametrize("ms", STEPS_MS)
def test_a_wait_queue_keeps_its_messages_and_gives_them_back(ms):
    """It never expires: a queue without a consumer counts as unused, whatever waits in it."""
    arguments = Topology().wait_queue(ms).queue_arguments

    assert arguments["x-message-ttl"] == ms
    assert "x-expires" not in arguments
    assert arguments["x-dead-letter-exchange"] == "fw.due"
    assert arguments["x-dead-letter-strategy"] == "at-least-once"


def test_no_task_queue_has_a_maximum_length():
    """A full one stalls at-least-once dead-lettering for minutes."""
    arguments = Topology().task_queue("default").queue_arguments

    assert not {"x-max-length", "x-max-length-bytes"} & set(arguments)


def test_the_dead_letter_queue_drops_nothing():
    """RabbitMQ 4.0 drops a message after 20 deliveries where no limit is set."""
    assert Topology().dead_queue().queue_arguments["x-delivery-limit"] > 10**9
