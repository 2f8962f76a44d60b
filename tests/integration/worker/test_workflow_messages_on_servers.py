"""Workflows started by plain messages on RabbitMQ: from Node, and while PostgreSQL is away."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from collected import letters, wait_for_letters, wait_until
from live_tasks import step_text
from tcp_proxy import proxied

from fw_core.errors import UnknownWorkflow
from fw_core.workflow import history
from fw_testing.services import Services, StartWorker

JS = Path(__file__).parent / "js"

GOOD = {"workflow": ["step.double", "step.text"], "data": 4, "id": "four"}


def publish(services: Services, *bodies: Any, **properties: Any) -> None:
    """Send messages as any client does: to the queue by its name, without a word of Celery's."""
    queue = services.app.topology.queue_name("fw.workflows")
    with services.app.connection_for_write() as connection:
        channel = connection.default_channel
        for body in bodies:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            message = channel.prepare_message(raw, properties={"delivery_mode": 2, **properties})
            channel.basic_publish(message, exchange="", routing_key=queue)


def start_worker(start: StartWorker, **env: str) -> Any:
    return start("live_tasks", env=env)


def is_known(services: Services, workflow_id: str) -> bool:
    try:
        history.state_of(services.app, workflow_id)
    except UnknownWorkflow:
        return False
    return True


def test_a_message_starts_its_workflow_once_under_its_id(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    start_worker(fw_live_worker)
    publish(fw_services, GOOD, GOOD)
    assert step_text.result("four").get(timeout=30) == "result 8"
    publish(fw_services, {"workflow": "step.text", "data": 1}, message_id="m-1")
    assert step_text.result("m-1").get(timeout=30) == "result 1"
    assert letters(fw_services.app) == []
    wait_until(lambda: fw_services.count("fw.workflows") == 0, lambda: "all are acknowledged")


def test_a_bad_message_is_a_dead_letter_and_is_answered(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    start_worker(fw_live_worker)
    app = fw_services.app
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        replies = channel.queue_declare("", exclusive=True).queue
        wrong = {"workflow": ["step.double", "step.txt"], "data": 4, "id": "wrong"}
        publish(fw_services, b"\xff\xfe", reply_to="nobody.there")
        publish(fw_services, wrong, reply_to=replies, correlation_id="c-1")
        wait_for_letters(app, 2)
        found: list[Any] = []
        wait_until(
            lambda: found.append(channel.basic_get(replies)) or found[-1] is not None,
            lambda: "the reply comes",
        )
    answer = json.loads(found[-1].body)
    assert (answer["id"], answer["state"]) == ("wrong", "refused")
    assert "Did you mean 'step.text'?" in answer["error"]
    assert answer["fix"] == "use 'step.text'."
    assert found[-1].properties["correlation_id"] == "c-1"
    assert {letter.cause for letter in letters(app)} == {"no-workflow"}
    assert {letter.body for letter in letters(app)} == {b"\xff\xfe", json.dumps(wrong).encode()}
    publish(fw_services, GOOD)
    assert step_text.result("four").get(timeout=30) == "result 8"


def test_while_the_database_is_away_messages_wait_in_their_queue(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    """Calls go on meanwhile; when it is back, each message starts its workflow once."""
    with proxied(fw_services.database_url) as (proxy, url):
        worker = start_worker(fw_live_worker, FW_DATABASE_URL=url)
        proxy.refuse()
        publish(fw_services, GOOD)
        worker.wait_for_log("Messages that start workflows wait for")
        assert letters(fw_services.app) == []
        assert not is_known(fw_services, "four")
        proxy.mend()
        assert step_text.result("four").get(timeout=60) == "result 8"
    assert letters(fw_services.app) == []


def test_a_worker_that_is_killed_in_a_pause_leaves_the_message_to_the_next_one(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    with proxied(fw_services.database_url) as (proxy, url):
        worker = start_worker(fw_live_worker, FW_DATABASE_URL=url)
        proxy.refuse()
        publish(fw_services, GOOD)
        worker.wait_for_log("Messages that start workflows wait for")
        worker.kill()
    start_worker(fw_live_worker)
    assert step_text.result("four").get(timeout=60) == "result 8"


def test_a_worker_that_loses_its_broker_takes_them_again_when_it_is_back(
    fw_services: Services, fw_live_worker: StartWorker
) -> None:
    with proxied(fw_services.broker_url) as (proxy, url):
        worker = start_worker(fw_live_worker, FW_BROKER_URL=url)
        proxy.refuse()
        worker.wait_for_log("The connection to the broker was lost")
        publish(fw_services, GOOD)
        proxy.mend()
        assert step_text.result("four").get(timeout=60) == "result 8"
        assert worker.stop() == 0


@pytest.fixture
def node() -> Callable[..., str]:
    """Runs a program for Node in which amqplib is known; gives what it printed."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("NO CLIENT BUT PYTHON WAS TRIED: node is not installed (apt install nodejs)")
    places = (str(JS / "node_modules"), os.environ.get("NODE_PATH", ""))
    env = {**os.environ, "NODE_PATH": os.pathsep.join(filter(None, places))}
    look = [program, "-e", "require.resolve('amqplib')"]
    if subprocess.run(look, cwd=JS, env=env, capture_output=True).returncode:
        pytest.skip(
            "NO CLIENT BUT PYTHON WAS TRIED: amqplib is not there "
            f"(npm install --prefix {JS}, or NODE_PATH=.../node_modules)"
        )

    def run(*words: str) -> str:
        done = subprocess.run(
            [program, *words], cwd=JS, env=env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_a_client_in_another_language_starts_workflows_and_hears_of_them(
    fw_services: Services, fw_live_worker: StartWorker, node: Callable[..., str]
) -> None:
    """Node with amqplib: a plan, one started twice, one that a rule chooses, and mistakes."""
    rules = [{"if": {"field": "kind", "equals": "order"}, "workflow": "live_tasks.shows"}]
    worker = start_worker(fw_live_worker, FW_WORKFLOW_RULES=json.dumps(rules))
    order, unknown = {"kind": "order", "number": 17}, {"workflow": "step.dubble", "id": "w"}
    queue = fw_services.app.topology.queue_name("fw.workflows")
    bodies = [*map(json.dumps, [GOOD, GOOD, order, unknown]), "{"]
    said = node("start_workflow.js", fw_services.broker_url, queue, *bodies)
    good, again, ruled, wrong, no_json = map(json.loads, said.splitlines())
    assert good == again == {"id": "four", "state": "started"}
    assert step_text.result("four").get(timeout=30) == "result 8"
    assert ruled["state"] == "started"
    assert step_text.result(ruled["id"]).get(timeout=30) == "order 17"
    assert no_json["state"] == "refused"
    assert "it is no JSON" in no_json["error"]
    assert (wrong["id"], wrong["state"]) == ("w", "refused")
    assert "No task is named 'step.dubble'. Did you mean 'step.double'" in wrong["error"]
    wait_for_letters(fw_services.app, 2)
    assert "WARNING" not in worker.log


def test_the_program_of_the_documentation_starts_a_workflow(
    fw_services: Services, fw_live_worker: StartWorker, node: Callable[..., str], tmp_path: Path
) -> None:
    """As it stands there, with this test's broker."""
    if fw_services.settings.prefix:
        pytest.skip("without the management API this test's queues have a prefix")
    start_worker(fw_live_worker)
    page = Path(__file__).parents[3] / "docs/how-to/run-workflows.md"
    [program] = re.findall(r"```js [^\n]*\n(.*?)```", page.read_text(), re.DOTALL)
    url = "amqp://user:password@host:5672"
    assert url in program
    program = program.replace(url, fw_services.broker_url)
    file = tmp_path / "start.js"
    file.write_text(f"{program}\nstart(['step.double', 'step.text'], 4, 'four');")
    node(str(file))
    assert step_text.result("four").get(timeout=30) == "result 8"
