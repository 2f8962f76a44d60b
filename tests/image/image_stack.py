"""Programs and containers around the worker image."""

import os
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "services/worker"


def run(*command, check=True, env=None, timeout=600):
    """Run a program; what it wrote is in the failure."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env={**os.environ, **(env or {})}
    )
    if check and done.returncode:
        pytest.fail(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


class Stack:
    """What ``docker compose up`` started."""

    def __init__(self, image):
        self.project = f"fwtest{uuid.uuid4().hex[:8]}"
        self.broker_port, self.management_port, self.postgres_port = (
            free_port(),
            free_port(),
            free_port(),
        )
        self.environment = {
            "FW_WORKER_IMAGE": image,
            "FW_RABBITMQ_PORT": self.broker_port,
            "FW_MANAGEMENT_PORT": self.management_port,
            "FW_POSTGRES_PORT": self.postgres_port,
        }
        plugin = run("docker", "compose", "version", check=False).returncode == 0
        self._command = ["docker", "compose"] if plugin else ["docker-compose"]

    def compose(self, *arguments, check=True):
        file = str(SERVICE / "compose.yaml")
        return run(
            *(*self._command, "--file", file, "--project-name", self.project, *arguments),
            check=check,
            env=self.environment,
        )

    def container(self, service):
        """The id of a service's container."""
        return self.compose("ps", "--quiet", service).stdout.strip()

    def inspect(self, service, template):
        """A fact of a service's container."""
        command = ("docker", "inspect", "--format", template, self.container(service))
        return run(*command).stdout.strip()

    def logs(self, service):
        done = run("docker", "logs", self.container(service))
        return done.stdout + done.stderr

    def fw(self, *arguments, check=True):
        """The ``fw`` command on this machine, outside of every container."""
        environment = {
            "FW_BROKER_URL": f"amqp://fw:fw@127.0.0.1:{self.broker_port}//",
            "FW_DATABASE_URL": f"postgresql://fw:fw@127.0.0.1:{self.postgres_port}/fw",
            "FW_TASK_MODULES": "orders",
            "PYTHONPATH": str(SERVICE / "example"),
        }
        command = (sys.executable, "-m", "fw_worker.cli", *arguments)
        return run(*command, env=environment, check=check, timeout=120)

    def wait(self, condition, what, seconds=90):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"not within {seconds} s: {what}\n{self.logs('worker')}")
            time.sleep(0.5)
