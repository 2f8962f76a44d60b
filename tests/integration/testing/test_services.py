"""``fw_services``: a place of its own on real servers for each test."""

import uuid

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from fw_core import TASK_REGISTRY, client, task_framework
from fw_core.database import schema
from fw_testing.fresh import administrator

pytest_plugins = ["pytester"]


@task_framework(name="services.noop")
def noop(number: int) -> int:
    return number


def test_a_call_of_the_test_goes_to_its_own_broker(fw_services):
    """No setting is needed: inside the test, calls are sent to the services."""
    noop.delay(7)

    assert fw_services.count("default") == 1


def test_the_messages_can_be_looked_at(fw_services):
    """The management API shows what a consumer would get."""
    result = noop.delay(7)

    queue = fw_services.settings.prefix + "default"
    [message] = fw_services.management.get(queue)

    assert message.headers["id"] == result.id
    assert message.headers["task"] == "services.noop"
    assert fw_services.management.arguments(queue)["x-queue-type"] == "quorum"


def test_messages_can_be_thrown_away(fw_services):
    """purge() empties a queue."""
    noop.delay(7)
    noop.delay(8)

    fw_services.management.purge(fw_services.settings.prefix + "default")

    assert fw_services.count("default") == 0


def test_the_tables_are_there(fw_services):
    """The database is migrated to the newest version."""
    assert schema.is_current(fw_services.settings.database_url)


def test_what_a_test_leaves_behind_is_gone_for_the_next(pytester, monkeypatch, fw_services):
    """Each test gets another vhost and another database, and both are removed."""
    monkeypatch.setenv("FW_TEST_BROKER_URL", fw_services.broker_url)
    monkeypatch.setenv("FW_TEST_MANAGEMENT_URL", fw_services.settings.management_url)
    monkeypatch.setenv("FW_TEST_DATABASE_URL", fw_services.database_url)
    pytester.makepyfile(
        """
        import pytest
        from fw_core import task_framework

        seen = []

        @task_framework(name="left.behind")
        def left_behind() -> None: ...

        @pytest.mark.parametrize("run", [1, 2])
        def test_place(fw_services, run):
            seen.append((fw_services.broker_url, fw_services.database_url))
            left_behind.delay()
            assert fw_services.count("default") == 1

        def test_gone():
            import urllib.error
            from fw_core.urls import database_url
            from sqlalchemy import create_engine
            from sqlalchemy.exc import OperationalError
            from sqlalchemy.pool import NullPool

            (broker, database), (other_broker, other_database) = seen
            assert broker != other_broker and database != other_database
            with pytest.raises(OperationalError):
                create_engine(database_url(database), poolclass=NullPool).connect()
        """
    )

    result = pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:asyncio")

    result.assert_outcomes(passed=3)


def test_without_the_management_api_a_prefix_keeps_tests_apart(pytester, monkeypatch, fw_services):
    """A broker whose management API cannot be reached can be tested on all the same."""
    server = fw_services.settings.broker_url
    monkeypatch.setenv("FW_TEST_BROKER_URL", server)
    monkeypatch.setenv("FW_TEST_DATABASE_URL", fw_services.settings.database_url)
    monkeypatch.delenv("FW_TEST_MANAGEMENT_URL", raising=False)
    name = f"prefixed.{uuid.uuid4().hex[:6]}"
    pytester.makepyfile(
        f"""
        from fw_core import task_framework

        @task_framework(name="{name}")
        def later() -> None: ...

        def test_prefix(fw_services, monkeypatch):
            assert fw_services.management is None
            assert fw_services.settings.prefix
            later.delay()
            moment = fw_services.app.now()  # however busy the machine is, 60 s are 60 s
            monkeypatch.setattr(fw_services.app, "now", lambda: moment)
            later.options(delay=60).delay()
            assert fw_services.count("default") == 1
            assert fw_services.count("fw.wait.60000") == 1
        """
    )

    result = pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:asyncio")

    result.assert_outcomes(passed=1)
    if fw_services.management:
        assert fw_services.management.queues() == []


def test_the_registry_is_not_emptied(fw_services):
    """A live worker imports the same modules: what they declare stays declared."""
    assert "services.noop" in TASK_REGISTRY


def test_the_database_is_real(fw_services):
    """It is PostgreSQL, reached with the driver that fw brings."""
    engine = create_engine(fw_services.settings.database_url, poolclass=NullPool)
    with engine.connect() as connection:
        assert "PostgreSQL" in connection.scalar(text("SELECT version()"))


@pytest.mark.parametrize("has_management", [True, False], ids=["vhosts", "prefixes"])
def test_tests_run_side_by_side(pytester, monkeypatch, fw_services, has_management):
    """Under xdist too: each has its own vhost or prefix and its own database, at the same time."""
    monkeypatch.setenv("FW_TEST_BROKER_URL", fw_services.broker_url)
    monkeypatch.setenv("FW_TEST_DATABASE_URL", fw_services.database_url)
    if has_management:
        monkeypatch.setenv("FW_TEST_MANAGEMENT_URL", fw_services.settings.management_url)
    else:
        monkeypatch.delenv("FW_TEST_MANAGEMENT_URL", raising=False)
    pytester.makepyfile(
        """
        import pytest
        from fw_core import task_framework

        @task_framework(name="side.by_side")
        def by_side(number: int) -> None: ...

        @pytest.mark.parametrize("number", range(1, 7))
        def test_place(fw_services, number, tmp_path_factory):
            (tmp_path_factory.getbasetemp().parent / f"place-{number}").write_text(
                f"{fw_services.broker_url} {fw_services.settings.prefix} {fw_services.database_url}"
            )
            for _ in range(number):
                by_side.delay(number)
            assert fw_services.count("default") == number
        """
    )

    result = pytester.runpytest_subprocess("-n", "2", "-p", "no:randomly", "--basetemp=places")

    result.assert_outcomes(passed=6)
    places = [path.read_text() for path in pytester.path.glob("places/place-*")]
    brokers = {" ".join(place.split(" ")[:-1]) for place in places}
    databases = {place.split(" ")[-1] for place in places}
    assert len(places) == len(brokers) == len(databases) == 6
    if fw_services.management and not has_management:
        assert fw_services.management.queues() == []


def test_nothing_of_a_run_is_left_on_the_servers(pytester, monkeypatch, fw_services):
    """Neither a vhost nor a database, the template included."""
    monkeypatch.setenv("FW_TEST_BROKER_URL", fw_services.broker_url)
    monkeypatch.setenv("FW_TEST_DATABASE_URL", fw_services.database_url)
    monkeypatch.setenv("FW_TEST_MANAGEMENT_URL", fw_services.settings.management_url)
    pytester.makepyfile(
        """
        def test_place(fw_services):
            from sqlalchemy import text
            from fw_testing.fresh import administrator

            with administrator(fw_services.database_url) as connection:
                names = connection.scalars(text("SELECT datname FROM pg_database")).all()
            vhosts = [vhost["name"] for vhost in fw_services.management.call("GET", "vhosts")]
            own, vhost = (
                url.rpartition("/")[2] for url in (fw_services.database_url, fw_services.broker_url)
            )
            assert own in names
            assert vhost in vhosts
            with open("there", "w") as file:
                print(own, vhost, file=file)
        """
    )

    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=1)

    database, vhost = (pytester.path / "there").read_text().split()
    with administrator(fw_services.database_url) as connection:
        names = connection.scalars(text("SELECT datname FROM pg_database")).all()
    vhosts = [found["name"] for found in fw_services.management.call("GET", "vhosts")]
    assert database not in names
    assert vhost not in vhosts


def test_a_fake_on_the_way_to_given_servers_is_still_a_fake(fw_services, fw_broker):
    """A test may compare both: what is sent goes to the one that was asked for last."""
    noop.delay(7)

    fw_broker.assert_sent(noop, 7)
    with client.using(fw_services.app):
        noop.delay(8)
    assert fw_services.count("default") == 1
