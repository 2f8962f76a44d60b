"""How late delayed calls start, and what a storm of retries does to other tasks, on RabbitMQ.

    FW_TEST_BROKER_URL=… FW_TEST_MANAGEMENT_URL=… FW_TEST_DATABASE_URL=… python benchmarks/delays.py
    python benchmarks/delays.py                    # with Docker: starts its own servers
    python benchmarks/delays.py --messages 2000 --spread 20 --wait 30

``delayed``: calls are sent at once with delays spread evenly; a worker runs them. It prints how
much later than asked they started, at the median, the 99th percentile and at most. ``spread``: as
many retries of one wait are published as a policy with 10 % jitter makes them; it prints how they
come out of the wait queues. ``storm``: the same with a worker; it prints how long a fresh call
waits meanwhile in the same queue and in another one. One run is an order of magnitude, not a
result.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from fw_core import RetryPolicy, client, task_framework

JOURNAL = "FW_BENCHMARK_JOURNAL"


def note(*facts: object) -> None:
    journal = os.open(os.environ[JOURNAL], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(journal, (" ".join(map(str, facts)) + "\n").encode())
    os.close(journal)


@task_framework(ignore_result=True, retries=0)
def stamp(kind: str, due: float) -> None:
    """Note how much later than ``due`` it starts."""
    note(kind, time.time(), due)


@task_framework(queue="other", ignore_result=True, retries=0)
def stamp_in_other(kind: str, due: float) -> None:
    """The same in another queue."""
    note(kind, time.time(), due)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--spread", type=float, default=40.0, help="seconds of the delayed calls")
    parser.add_argument("--wait", type=float, default=60.0, help="seconds before the stormy retry")
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--parts", nargs="*", default=["delayed", "spread", "storm"])
    given = parser.parse_args()
    for part in given.parts:
        with ExitStack() as stack:
            concurrency = 0 if part == "spread" else given.concurrency
            app, journal = stack.enter_context(world(concurrency))
            {"delayed": delayed, "spread": spread, "storm": storm}[part](app, journal, given)


@contextmanager
def world(concurrency: int) -> Iterator[tuple[Any, Path]]:
    """An app on a vhost and a database of its own, and a worker that takes all its queues."""
    from fw_core.broker.app import create_app
    from fw_core.declare.registry import TASK_REGISTRY
    from fw_core.settings import read_settings
    from fw_testing.fresh import fresh_database, fresh_name, fresh_vhost, template_database
    from fw_testing.live_worker import start_worker
    from fw_testing.management import Management
    from fw_testing.servers import find_servers

    with ExitStack() as stack:
        servers = find_servers(stack)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        journal = directory / "journal"
        journal.touch()
        management = Management(servers.management_url, fresh_name())
        settings = read_settings(
            broker_url=stack.enter_context(fresh_vhost(servers.broker_url, management)),
            database_url=stack.enter_context(
                fresh_database(
                    servers.database_url,
                    stack.enter_context(template_database(servers.database_url)),
                )
            ),
            management_url=servers.management_url,
            task_modules=(),
        )
        app = create_app(settings, TASK_REGISTRY)
        stack.callback(app.close)
        stack.callback(app.amqp.close_connections)
        stack.enter_context(client.using(app))
        print(f"RabbitMQ {management.version()}, {os.cpu_count()} processors")
        if not concurrency:
            yield app, journal
            return
        worker = start_worker(
            settings,
            modules=["delays"],
            queues=(),
            concurrency=concurrency,
            pool="prefork",
            env={JOURNAL: str(journal), "PYTHONPATH": str(Path(__file__).parent)},
            directory=directory,
            log_path=directory / "worker.log",
        )
        stack.callback(worker.stop)
        worker.wait_until_ready()
        yield app, journal


def delayed(app: Any, journal: Path, given: Any) -> None:
    """Calls with delays spread evenly over so many seconds, sent before the first is due."""
    from delays import stamp  # as the worker knows it

    count = given.messages
    lead = max(5.0, count / 300)  # sent before the first is due, also on a busy machine
    start = time.time() + lead
    ids = {str(number): stamp.name for number in range(count)}
    with app.producer_or_acquire() as producer, app.amqp.one_round(producer, ids):
        for number in range(count):
            due = start + given.spread * number / count
            stamp.apply_async(
                ("delayed", due),
                task_id=str(number),
                countdown=due - time.time(),
                producer=producer,
            )
    print(
        f"sent {count} in {time.time() - start + lead:.1f} s; the first is due after {lead:.1f} s"
    )
    late = [at - due for at, due in wait_for(journal, "delayed", count, lead + given.spread + 60)]
    print_lateness(f"{count} delayed over {given.spread:g} s", late)


def publish_retries(app: Any, given: Any) -> None:
    """What a failed attempt publishes, for as many attempts as there are messages."""
    from delays import stamp

    count, policy = given.messages, RetryPolicy(backoff=[given.wait], max_delay=timedelta(days=1))
    began = time.time()
    ids = {str(number): stamp.name for number in range(count)}
    with app.producer_or_acquire() as producer, app.amqp.one_round(producer, ids):
        for number in range(count):
            stamp.apply_async(
                ("storm", time.time()),
                task_id=str(number),
                countdown=policy.wait(1, random.random),
                fw_exact=False,
                producer=producer,
            )
    print(f"published {count} retries of {given.wait:g} s in {time.time() - began:.1f} s")


def spread(app: Any, journal: Path, given: Any) -> None:
    """How retries of one wait come out of the wait queues: no worker, a bare consumer."""
    publish_retries(app, given)
    waits: list[float] = []

    def take(message: Any) -> None:
        [[_, sent], _, _] = json.loads(message.body)
        waits.append(time.time() - sent)

    with app.connection_for_read() as connection:
        connection.default_channel.basic_consume("default", no_ack=True, callback=take)
        while len(waits) < given.messages:
            connection.drain_events(timeout=given.wait * 2 + 60)
    share = 0.1 * given.wait
    print(f"waits: shortest {min(waits):.2f} s, longest {max(waits):.2f} s")
    tenths = Counter(int((wait - given.wait) / share * 10) for wait in waits)
    shown = " ".join(f"{tenths[tenth] / len(waits):.0%}" for tenth in range(max(tenths) + 1))
    print(f"in each tenth of the jitter: {shown}")


def storm(app: Any, journal: Path, given: Any) -> None:
    """Retries of one wait, published at once; fresh calls every tenth of a second meanwhile."""
    from delays import stamp, stamp_in_other

    publish_retries(app, given)
    over = threading.Event()

    def fresh() -> None:
        with client.using(app):
            while not over.wait(0.1):
                stamp.delay("same", time.time())
                stamp_in_other.delay("other", time.time())

    prober = threading.Thread(target=fresh)
    prober.start()
    try:
        arrived = wait_for(journal, "storm", given.messages, given.wait * 2 + 120)
    finally:
        over.set()
        prober.join()
    first, last = min(at for at, _ in arrived), max(at for at, _ in arrived)
    for kind in ("same", "other"):
        fresh_waits = [(at, at - sent) for at, sent in read(journal, kind)]
        before = [wait for at, wait in fresh_waits if at < first]
        during = [wait for at, wait in fresh_waits if first <= at <= last]
        print_lateness(f"fresh calls in the {kind} queue before the storm", before)
        print_lateness(f"fresh calls in the {kind} queue during the storm", during)


def wait_for(journal: Path, kind: str, count: int, seconds: float) -> list[tuple[float, float]]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = read(journal, kind)
        if len(found) >= count:
            return found
        time.sleep(0.5)
    sys.exit(f"only {len(read(journal, kind))} of {count} {kind} calls came")


def read(journal: Path, kind: str) -> list[tuple[float, float]]:
    lines = [line.split() for line in journal.read_text().splitlines()]
    return [(float(at), float(due)) for name, at, due in lines if name == kind]


def print_lateness(what: str, seconds: list[float]) -> None:
    if not seconds:
        print(f"{what}: none")
        return
    ordered = sorted(seconds)
    p99 = ordered[int(0.99 * (len(ordered) - 1))]
    print(
        f"{what}: {len(ordered)} calls, late by {statistics.median(ordered):.3f} s (median), "
        f"{p99:.3f} s (p99), {ordered[-1]:.3f} s (most); earliest {ordered[0]:.3f} s"
    )


if __name__ == "__main__":
    main()
