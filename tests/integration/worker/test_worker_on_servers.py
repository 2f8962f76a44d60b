"""``fw worker`` on RabbitMQ and PostgreSQL: what goes wrong at its start, and what it says."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import pytest
from tcp_proxy import Proxy


@pytest.fixture
def place(place, fw_services):
    """The test's own vhost and database."""
    place.env |= {
        "FW_BROKER_URL": fw_services.broker_url,
        "FW_DATABASE_URL": fw_services.database_url,
        "FW_PREFIX": fw_services.settings.prefix,
    }
    return place


def with_port(url, port):
    """The same URL at another port of this machine."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{port}"))


def with_password(url, password):
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{password}@{host}"))


def free_port():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return server.getsockname()[1]


def test_tasks_are_sent_run_and_read_by_name(place):
    worker = place.start("worker", "--concurrency", "1").ready()
    assert place.run("send", "team.greet", "Ada", "--wait").stdout == "Hello Ada\n"
    done = place.run("workflow", "run", "task1", "task2", "--data", "Sample Data", "--wait")
    assert done.stdout == "Task2 result: Task1 result: Sample Data\n"
    assert worker.stop() == 0


def test_servers_are_enough_where_they_are_required(place):
    worker = place.start("worker", "--pool", "solo", FW_REQUIRE_SERVERS="1").ready()
    assert worker.stop() == 0


def test_a_worker_waits_for_its_broker_says_so_and_comes_up_with_it(place):
    """The password is in no line, and no line is Celery's."""
    port, real = free_port(), urlsplit(place.env["FW_BROKER_URL"])
    url = with_port(place.env["FW_BROKER_URL"], port)
    worker = place.start("worker", "--pool", "solo", FW_BROKER_URL=url)
    worker.wait_for(f"127.0.0.1:{port}")
    worker.wait_for("does not answer ([Errno 111] Connection refused); trying again")
    proxy = Proxy(real.hostname, real.port or 5672, port=port)
    try:
        worker.ready()
        assert place.run("send", "team.greet", "Ada", "--wait").stdout == "Hello Ada\n"
        assert worker.stop() == 0
    finally:
        proxy.close()
    assert worker.log.count("does not answer") == 1
    assert f":{real.password}@" not in worker.log
    assert "elery" not in worker.log


def test_a_worker_that_waits_for_its_broker_can_be_stopped(place):
    url = with_port(place.env["FW_BROKER_URL"], free_port())
    worker = place.start("worker", "--pool", "solo", FW_BROKER_URL=url)
    worker.wait_for("does not answer")
    assert worker.stop() == 0


def test_a_worker_that_loses_its_broker_says_so_and_takes_messages_again(place):
    real = urlsplit(place.env["FW_BROKER_URL"])
    proxy = Proxy(real.hostname, real.port or 5672)
    url = with_port(place.env["FW_BROKER_URL"], proxy.port)
    worker = place.start("worker", "--concurrency", "1", FW_BROKER_URL=url).ready()
    proxy.close()
    worker.wait_for("The connection to the broker was lost")
    again = Proxy(real.hostname, real.port or 5672, port=proxy.port)
    try:
        worker.wait_for("Connected to the broker", times=2)
        assert place.run("send", "team.greet", "Ada", "--wait").stdout == "Hello Ada\n"
        assert worker.stop() == 0
    finally:
        again.close()
    assert "elery" not in worker.log
    assert "Traceback" not in worker.log


NAPS = """
import time
from fw_core import task_framework

@task_framework(ignore_result=True)
def nap(number: int) -> None:
    with open("journal", "a") as journal:
        print(number, file=journal, flush=True)
    time.sleep(1)
"""


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_what_waits_in_a_worker_that_loses_its_broker_is_run_once(place, wait_until, pool):
    """The broker delivers it again; what the pool had not begun with is dropped."""
    place.write(NAPS)
    real = urlsplit(place.env["FW_BROKER_URL"])
    proxy = Proxy(real.hostname, real.port or 5672)
    url = with_port(place.env["FW_BROKER_URL"], proxy.port)
    place.send(*(f"nap({number})" for number in range(4)))
    journal = place.path / "journal"
    options = ("--pool", pool, "--concurrency", "1")
    worker = place.start("worker", *options, FW_BROKER_URL=url).ready()
    wait_until(journal.exists, "the first has begun")
    proxy.close()
    worker.wait_for("The connection to the broker was lost")
    again = Proxy(real.hostname, real.port or 5672, port=proxy.port)
    try:
        worker.wait_for("nap attempt 1 of 4 (its message came again) succeeded", times=3)
        assert worker.stop() == 0
    finally:
        again.close()
    assert sorted(journal.read_text().split()) == ["0", "1", "2", "3"]


def test_a_wrong_password_is_refused_at_once(place):
    """Waiting would not mend it; exit code 2."""
    url = with_password(place.env["FW_BROKER_URL"], "geheim")
    done = place.run("worker", code=2, FW_BROKER_URL=url)
    assert "refuses the user" in done.stderr
    assert "geheim" not in done.stdout + done.stderr


def test_a_vhost_that_does_not_exist_is_refused_at_once(place):
    url = urlunsplit(urlsplit(place.env["FW_BROKER_URL"])._replace(path="/no-such-vhost"))
    assert "has no such vhost" in place.run("worker", code=2, FW_BROKER_URL=url).stderr


def test_a_host_that_does_not_exist_is_named_and_waited_for(place):
    url = "amqp://guest:geheim@no-such-host.invalid//"
    worker = place.start("worker", "--pool", "solo", FW_BROKER_URL=url)
    worker.wait_for("The broker amqp://guest:***@no-such-host.invalid// does not answer")
    assert worker.stop() == 0
    assert "geheim" not in worker.log


def test_priorities_that_the_broker_does_not_have_are_said_at_start(place, fw_services):
    """RabbitMQ 3.10 accepts them without effect; 4.0 has them."""
    if fw_services.management is None:
        pytest.skip("no management API tells the broker's version")
    worker = place.start("worker", "--pool", "solo").ready()
    assert worker.stop() == 0
    is_old = int(fw_services.management.version().partition(".")[0]) < 4
    assert ("priority has no effect" in worker.log) is is_old


def test_tables_that_are_missing_are_said_at_start_with_what_to_run(place, fw_services):
    """The worker starts all the same: tasks run without a result database."""
    from fw_core.database.engine import close_connections, engine_for
    from fw_core.urls import database_url

    url = database_url(fw_services.database_url)
    with engine_for(url).begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    close_connections(url)
    worker = place.start("worker", "--pool", "solo").ready()
    assert "`fw db upgrade`" in worker.log
    assert json.loads(place.run("db", "upgrade", "--json").stdout)["applied"]
    assert place.run("send", "team.greet", "Ada", "--wait").stdout == "Hello Ada\n"


def test_a_result_database_that_is_down_does_not_stop_the_worker(place):
    url = f"postgresql://fw:geheim@127.0.0.1:{free_port()}/fw"
    worker = place.start("worker", "--pool", "solo", FW_DATABASE_URL=url).ready()
    assert "cannot be used" in worker.log
    assert "geheim" not in worker.log
    place.run("send", "team.greet", "Ada")
    worker.wait_for("greeting somebody")
