"""Servers of the suite's own: it stops them, starves them and closes their channels.

Containers of ``FW_RABBITMQ_IMAGE`` and ``FW_POSTGRES_IMAGE``, or, with
``FW_FAULTS_SERVERS=installed``, the programs of this machine, in a directory of their own.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg2

from fw_testing.management import Management
from fw_testing.servers import POSTGRES_IMAGE, RABBITMQ_IMAGE

START_SECONDS = 120.0
USER = PASSWORD = "fw-test"

# Counts of messages are half a second old instead of five.
ERLANG = "-rabbit collect_statistics_interval 500 -rabbit quorum_tick_interval 500"


class Server(Protocol):
    """One server that can be stopped and started with all that it keeps."""

    url: str

    def start(self) -> None:
        """Start it; it answers when this returns."""

    def stop(self) -> None:
        """Stop it as an operator would."""

    def close(self) -> None:
        """Stop it for good and remove what it kept."""


class Broker(Server, Protocol):
    """A RabbitMQ of the suite's own."""

    management_url: str

    def control(self, *words: str) -> str:
        """Run ``rabbitmqctl``; returns what it says."""


@dataclass(frozen=True)
class Servers:
    """What the faults are done to.

    Attributes:
        broker: RabbitMQ.
        database: PostgreSQL with fw's own tables.
        journal: Another PostgreSQL, never stopped but where a fault says so: there the tasks
            write, one row a run.
    """

    broker: Broker
    database: Server
    journal: Server


def start_servers(stack: ExitStack, directory: Path) -> Servers:
    """Start them all; they are gone when ``stack`` is closed."""
    installed = os.environ.get("FW_FAULTS_SERVERS") == "installed"
    broker: Broker
    database: Server
    journal: Server
    if installed:
        broker = InstalledBroker(directory / "rabbitmq")
        database = InstalledDatabase(directory / "database")
        journal = InstalledDatabase(directory / "journal")
    else:
        broker, database, journal = ContainerBroker(), ContainerDatabase(), ContainerDatabase()
    for server in (broker, database, journal):
        stack.callback(server.close)
        server.start()
    return Servers(broker, database, journal)


def free_port() -> int:
    """A port that was free a moment ago; a restarted server comes back to the same one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Poll a condition of the outer world; fail with ``what`` at the deadline."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


def answers(ask: Callable[[], Any]) -> bool:
    """Whether asking raises nothing."""
    try:
        ask()
    except Exception:
        return False
    return True


def _ask_broker(broker: Broker) -> None:
    from kombu import Connection

    with Connection(broker.url, connect_timeout=2) as connection:
        connection.connect()
    Management(broker.management_url).version()


def _ask_database(server: Server) -> None:
    psycopg2.connect(server.url, connect_timeout=2).close()


# -------------------------------------------------------------------------------- containers


class Container:
    """A container whose ports stay the same when it is stopped and started."""

    def __init__(self, image: str, environment: dict[str, str], *ports: int) -> None:
        from testcontainers.core.container import DockerContainer

        self.ports = {port: free_port() for port in ports}
        self._container: Any = DockerContainer(image, env=environment)
        for inside, outside in self.ports.items():
            self._container.with_bind_ports(inside, outside)
        self._is_made = False

    def start(self) -> None:
        if self._is_made:
            self._container.get_wrapped_container().start()
        else:
            self._is_made = True
            self._container.start()

    def stop(self) -> None:
        self._container.get_wrapped_container().stop(timeout=30)

    def close(self) -> None:
        if self._is_made:
            self._container.stop()

    def run(self, *words: str) -> str:
        code, output = self._container.exec(list(words))
        text = output.decode(errors="replace")
        assert code == 0, f"{words} ended with {code}: {text}"
        return text


class ContainerBroker(Container):
    def __init__(self) -> None:
        environment = {
            "RABBITMQ_DEFAULT_USER": USER,
            "RABBITMQ_DEFAULT_PASS": PASSWORD,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG,
        }
        super().__init__(
            os.environ.get("FW_RABBITMQ_IMAGE") or RABBITMQ_IMAGE, environment, 5672, 15672
        )
        self.url = f"amqp://{USER}:{PASSWORD}@127.0.0.1:{self.ports[5672]}//"
        self.management_url = f"http://{USER}:{PASSWORD}@127.0.0.1:{self.ports[15672]}"

    def start(self) -> None:
        super().start()
        wait_until(lambda: answers(lambda: _ask_broker(self)), "RabbitMQ answers")

    def stop(self) -> None:
        # Not every image passes the signal on: the node would be killed after half a minute.
        with suppress(Exception):  # the container may end before the command says so
            self.control("stop")
        super().stop()

    def control(self, *words: str) -> str:
        return self.run("rabbitmqctl", *words)


class ContainerDatabase(Container):
    def __init__(self) -> None:
        environment = {"POSTGRES_USER": USER, "POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": "fw"}
        super().__init__(os.environ.get("FW_POSTGRES_IMAGE") or POSTGRES_IMAGE, environment, 5432)
        self.url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.ports[5432]}/fw"

    def start(self) -> None:
        super().start()
        wait_until(lambda: answers(lambda: _ask_database(self)), "PostgreSQL answers")


# -------------------------------------------------------------------- programs of this machine


def _run(*words: str, env: dict[str, str] | None = None, timeout: float = 60) -> str:
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


class InstalledBroker:
    """A node beside the machine's own, with ports, a name and a cookie of its own."""

    def __init__(self, directory: Path) -> None:
        programs = Path("/usr/lib/rabbitmq/bin")  # Debian's wrapper beside it knows one node only
        assert programs.is_dir(), f"FW_FAULTS_SERVERS=installed: there is no {programs}"
        directory.mkdir()
        self._directory = directory
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        port, management, self._names_port = free_port(), free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{port}//"
        self.management_url = f"http://guest:guest@127.0.0.1:{management}"
        (directory / "plugins").write_text("[rabbitmq_management].")
        (directory / "rabbitmq.conf").write_text(f"management.tcp.port = {management}\n")
        self._env = {
            **{name: value for name, value in os.environ.items() if "RABBITMQ" not in name},
            "HOME": str(directory),  # its cookie
            "ERL_EPMD_PORT": str(self._names_port),
            "RABBITMQ_NODENAME": f"faults{port}@localhost",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(directory / "data"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_PID_FILE": str(directory / "pid"),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG,
        }

    def start(self) -> None:
        with (self._directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [str(self._programs / "rabbitmq-server")],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(lambda: answers(lambda: _ask_broker(self)), "RabbitMQ answers")

    def stop(self) -> None:
        assert self._process is not None
        self.control("stop")
        self._process.wait(60)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            with suppress(Exception):
                self.stop()
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9)
            self._process.wait()
        with suppress(Exception):
            _run("epmd", "-port", str(self._names_port), "-kill", env=self._env)

    def control(self, *words: str) -> str:
        return _run(str(self._programs / "rabbitmqctl"), *words, env=self._env)


class InstalledDatabase:
    """A cluster beside the machine's own."""

    def __init__(self, directory: Path) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        assert found, "FW_FAULTS_SERVERS=installed: there is no /usr/lib/postgresql/*/bin"
        self._programs = found[-1]
        self._directory = directory
        self._port = free_port()
        self._is_running = False
        self.url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self._port}/fw"

    def start(self) -> None:
        if not self._directory.exists():
            self._make()
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        log = str(self._directory / "log")
        self._do("pg_ctl", "-D", str(self._directory), "-l", log, "-o", options, "-w", "start")
        self._is_running = True
        admin = self.url.removesuffix("fw") + "postgres"
        connection = psycopg2.connect(admin)
        connection.autocommit = True
        with connection.cursor() as cursor, suppress(psycopg2.errors.DuplicateDatabase):
            cursor.execute("CREATE DATABASE fw")
        connection.close()

    def stop(self) -> None:
        self._do("pg_ctl", "-D", str(self._directory), "-m", "fast", "-w", "stop")
        self._is_running = False

    def close(self) -> None:
        if self._is_running:
            self._do("pg_ctl", "-D", str(self._directory), "-m", "immediate", "-w", "stop")

    def _make(self) -> None:
        self._directory.mkdir()
        password = self._directory.with_suffix(".password")
        password.write_text(PASSWORD)
        if os.geteuid() == 0:  # initdb refuses to run as root
            shutil.chown(self._directory, "postgres", "postgres")
            shutil.chown(password, "postgres", "postgres")
            self._directory.parent.chmod(0o711)
        self._do(
            *("initdb", "-D", str(self._directory), "-U", USER, "--pwfile", str(password)),
            *("--auth", "scram-sha-256", "--no-sync"),
        )

    def _do(self, program: str, *words: str) -> None:
        as_user = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
        log = self._directory.with_suffix(".output")
        with log.open("ab") as output:  # not a pipe: the server inherits it and would hold it open
            done = subprocess.run(
                [*as_user, str(self._programs / program), *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                timeout=60,
            )
        assert done.returncode == 0, f"{program} ended with {done.returncode}: {log.read_text()}"
