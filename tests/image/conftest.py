"""The worker image, built once, and everything around it, started by the compose file."""

import contextlib
import os
import shutil
import uuid

import pytest
from image_stack import ROOT, SERVICE, Stack, run


@pytest.fixture(scope="session", autouse=True)
def docker():
    """The engine must answer."""
    reason = ""
    if shutil.which("docker") is None:
        reason = "there is no docker command"
    elif run("docker", "info", check=False).returncode:
        reason = "no Docker engine answers"
    if reason and os.environ.get("FW_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{reason} (FW_REQUIRE_SERVICES=1)")
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def image(docker):
    """The image, as services/worker/README.md builds it."""
    tag = f"fw-worker:test-{uuid.uuid4().hex[:8]}"
    base = os.environ.get("FW_PYTHON_IMAGE")
    arguments = ["--build-arg", f"PYTHON_IMAGE={base}"] if base else []
    file = str(SERVICE / "Dockerfile")
    # The build reaches what the machine reaches, in whatever way it does.
    run(
        *("docker", "build", "--network", "host", "--file", file, "--tag", tag),
        *(*arguments, str(ROOT)),
        timeout=900,
    )
    yield tag
    run("docker", "image", "rm", "--force", tag, check=False)


@pytest.fixture
def stack(image):
    """RabbitMQ, PostgreSQL, the migrated tables and a worker."""
    started = Stack(image)
    try:
        started.compose("up", "--detach", "--no-build")
        yield started
        print(started.compose("logs", "--no-color", check=False).stdout[-20_000:])
    finally:
        with contextlib.suppress(Exception):
            started.compose("kill", check=False)
        started.compose("down", "--volumes", check=False)
