"""The faults that exist with servers and without: each is done to a scene."""

from __future__ import annotations

from collections.abc import Callable

from .fleet import PREFETCHED
from .scene import Scene
from .servers import wait_until

Fault = Callable[[Scene], None]

WORKERS = 2
KILLS = 5
BURST = 3_000


def children_are_killed(scene: Scene) -> None:
    """A child that dies takes one attempt with it, which the task's policy repeats."""
    kills = 2 * KILLS
    scene.load(WORKERS)
    with scene.fault():
        for _ in range(kills):
            scene.fleet.kill_child()
            scene.wait_for_runs(scene.calls // 50)

    scene.finish("child process killed, ten times", repeated_at_most=kills)


def a_worker_is_killed(scene: Scene) -> None:
    """What it held goes to another one; what had run and was not acknowledged runs again."""
    scene.load(WORKERS)
    with scene.fault():
        for _ in range(KILLS):
            scene.fleet.kill(scene.fleet.pick())
            scene.fleet.start()

    scene.finish("worker killed, five times", repeated_at_most=KILLS * PREFETCHED)


def all_workers_are_killed(scene: Scene) -> None:
    """Nobody is left; the messages wait for those that are started."""
    scene.load(WORKERS)
    with scene.fault():
        for worker in list(scene.fleet.workers):
            scene.fleet.kill(worker)
    scene.fleet.start(WORKERS)

    scene.finish("all workers killed and started", repeated_at_most=WORKERS * PREFETCHED)


def workers_are_replaced(scene: Scene) -> None:
    """A deployment: each worker finishes what it runs, and gives back what it only holds."""
    codes = []
    scene.load(WORKERS)
    with scene.fault():
        for _ in range(3):
            codes += [scene.fleet.replace(worker) for worker in list(scene.fleet.workers)]

    scene.finish("both workers replaced (SIGTERM), three times", repeated_at_most=0)
    assert codes == [0] * 3 * WORKERS


def the_producer_is_killed(scene: Scene) -> None:
    """What was confirmed to it is there; the round that it was sending may be."""
    scene.fleet.start(WORKERS)
    share = scene.calls // KILLS
    with_room = 3 * share
    for kill in range(KILLS):
        scene.send("rounds", first=kill * with_room, count=with_room)
        scene.producer.wait_until_confirmed(kill * share + share // 2)
        scene.producer.kill()

    scene.finish("producer killed in delay_many, five times", repeated_at_most=0)


def the_producer_exits(scene: Scene) -> None:
    """It ends as a program ends, right after its last call has returned."""
    scene.expect(BURST)
    scene.send("burst")
    scene.fleet.start(WORKERS)
    wait_until(lambda: scene.producer.has_ended, "the producer has sent all and ended")

    scene.finish("producer exits after 3,000 calls", repeated_at_most=0)


FAULTS: list[Fault] = [
    children_are_killed,
    a_worker_is_killed,
    all_workers_are_killed,
    workers_are_replaced,
    the_producer_is_killed,
    the_producer_exits,
]
