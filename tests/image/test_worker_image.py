"""The image that is deployed: started by the compose file, used from outside, stopped."""

import pytest
from image_stack import SERVICE, run


def test_a_task_sent_from_outside_runs_in_the_image_and_stops_gracefully(stack):
    """``docker compose up``, a call, its result, ``docker stop``: the life of a worker.

    One test, because to start it all takes half a minute.
    """
    sent = stack.fw("send", "orders.process_order", "7", "--wait", "--timeout", "90")
    assert "Order 7 processed" in sent.stdout

    stack.wait(lambda: stack.inspect("worker", "{{.State.Health.Status}}") == "healthy", "healthy")

    running = run("docker", "exec", stack.container("worker"), "id", "-u").stdout.strip()
    assert running == "10001"

    task_id = stack.fw("send", "orders.pack", "8", "5").stdout.split()[-1]
    stack.wait(lambda: unacknowledged(stack) == 1, "an attempt runs", seconds=30)
    run("docker", "stop", "--time", "60", stack.container("worker"))
    assert stack.inspect("worker", "{{.State.ExitCode}}") == "0"
    assert "Order 8 packed" in stack.fw("result", task_id).stdout


def unacknowledged(stack):
    """How many messages are being worked on."""
    lines = run(
        *("docker", "exec", stack.container("rabbitmq"), "rabbitmqctl", "--quiet"),
        *("list_queues", "name", "messages_unacknowledged"),
    ).stdout.splitlines()
    return next(int(line.split()[1]) for line in lines if line.split()[0] == "default")


@pytest.mark.parametrize("given", ["FW_BROKER_URL", "FW_DATABASE_URL"])
def test_the_image_does_not_start_without_its_servers(image, given):
    """It would otherwise keep messages in a file of the container, which goes with it."""
    urls = {"FW_BROKER_URL": "amqp://a:b@c//", "FW_DATABASE_URL": "postgresql://a:b@c/d"}
    missing = next(name for name in urls if name != given)
    environment = ["--env", f"{given}={urls[given]}", "--env", "FW_TASK_MODULES=json"]

    done = run("docker", "run", "--rm", *environment, image, check=False)

    assert done.returncode == 2
    assert missing in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_that_takes_nothing_is_unhealthy(image):
    """The health check asks the loop that takes messages, not whether a process exists."""
    done = run(
        *("docker", "run", "--rm", "--entrypoint", "python", image, "-m", "fw_worker.health"),
        check=False,
    )

    assert done.returncode == 1
    assert "no worker takes messages yet" in done.stderr


def test_no_build_tools_are_left_in_the_image(image):
    """What is not there needs no update and helps no intruder."""
    found = run(
        *("docker", "run", "--rm", "--entrypoint", "sh", image, "-c"),
        "ls /opt /source 2>&1; command -v uv gcc; true",
    ).stdout

    assert found.split("\n")[0] != "tools"
    assert "/opt/tools" not in found
    assert "uv" not in found.split()


def test_a_team_builds_its_own_image_from_it(image, tmp_path):
    """Five lines: see services/worker/example/Dockerfile."""
    text = (SERVICE / "example/Dockerfile").read_text().replace("FROM fw-worker", f"FROM {image}")
    (tmp_path / "Dockerfile").write_text(text)
    tag = f"{image}-team"
    build = ("docker", "build", "--network", "host", "--file", str(tmp_path / "Dockerfile"))
    run(*build, "--tag", tag, str(SERVICE / "example"))
    try:
        done = run(
            *("docker", "run", "--rm", "--env", "FW_BROKER_URL=amqp://a:b@c//"),
            *("--env", "FW_DATABASE_URL=postgresql://a:b@c/d", tag, "tasks"),
        )
    finally:
        run("docker", "image", "rm", "--force", tag, check=False)

    assert "orders.process_order" in done.stdout
