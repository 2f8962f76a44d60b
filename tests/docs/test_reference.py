"""The reference lists what the code has: everything, and nothing else."""

import dataclasses
import inspect
import json
import re

import click
import pytest
from docs_pages import ROOT, Page

import fw_core
import fw_testing
from fw_core import FrameworkError, Settings, Task, TaskResult, client, task_framework
from fw_core.broker import local
from fw_core.broker.delays import STEPS_MS
from fw_core.broker.topology import Topology
from fw_core.database.tables import metadata, results
from fw_testing import fake_broker
from fw_worker.cli import main

API = Page(ROOT / "docs/reference/api.md")
SETTINGS = Page(ROOT / "docs/reference/settings.md")
ERRORS = Page(ROOT / "docs/reference/errors.md")
CLI = Page(ROOT / "docs/reference/cli.md")
WIRE = Page(ROOT / "docs/reference/wire.md")


def members(cls):
    """The public names of a class; its call counts as ``task``."""
    return {name for name in dir(cls) if not name.startswith("_")}


# ------------------------------------------------------------------------------------- API


@pytest.mark.parametrize("module", [fw_core, fw_testing], ids=lambda module: module.__name__)
def test_every_public_name_is_in_the_api(module):
    """Exactly those of ``__all__``."""
    assert sorted(API.names(module.__name__)) == sorted(module.__all__)


@pytest.mark.parametrize(
    "heading,cls", [("Eager", fw_testing.Eager), ("FakeBroker", fw_testing.FakeBroker)]
)
def test_every_member_of_a_fixture_is_in_the_api(heading, cls):
    """Exactly the public ones."""
    assert set(API.names(heading)) == members(cls)


def test_every_member_of_a_task_is_in_the_api():
    """Its plain call is written ``task(…)``."""
    annotated = set(inspect.get_annotations(Task.__base__))
    public = {name for name in annotated if not name.startswith("_")}
    assert set(API.names("Task")) == members(Task) | public | {"task"}


def test_every_member_of_a_result_is_in_the_api():
    """What its constructor sets counts as well."""
    made = {name for name in vars(TaskResult("an-id", app=None)) if not name.startswith("_")}
    assert set(API.names("TaskResult")) == members(TaskResult) | made


def test_every_member_of_a_policy_is_in_the_api():
    """Exactly the public ones."""
    assert set(API.names("RetryPolicy")) == members(fw_core.RetryPolicy)


def test_every_field_of_an_attempt_is_in_the_api():
    """Exactly those of the class."""
    assert set(API.names("Attempt")) == {f.name for f in dataclasses.fields(fw_core.Attempt)}


@pytest.mark.parametrize("record", ["Message", "Ran", "DeadLetter"])
def test_every_field_of_a_record_is_in_the_api(record):
    """In the order in which they stand in the class."""
    [cell] = [row[1] for row in API.table("fw_testing") if row[0] == f"`{record}`"]
    written = re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", cell))
    fields = [field.name for field in dataclasses.fields(getattr(fw_testing, record))]
    assert written == fields


def test_every_parameter_of_the_decorator_is_in_the_api_with_its_default():
    """What a task is declared with when nothing is said."""

    def plain() -> None: ...

    with fake_broker():
        spec = task_framework(plain).spec
    policy = spec.policy
    real = {
        "retries": policy.retries,
        "backoff": policy.backoff,
        "max_delay": policy.max_delay,
        "jitter": policy.jitter,
        "retry_on": "Exception" if policy.retry_on == (Exception,) else policy.retry_on,
        "give_up_on": policy.give_up_on,
        "ignore_result": spec.ignore_result,
        "timeout": spec.timeout.total_seconds(),
        "queue": spec.queue,
        "priority": spec.priority,
        "expires": spec.expires,
        "name": None,
        "policy": None,
    }
    written = {row[0].strip("`"): row[1].strip("`") for row in API.table("task_framework")}
    assert written == {name: str(value) for name, value in real.items()}


def test_every_option_of_a_call_is_in_the_api():
    """In the order of the method."""
    parameters = list(inspect.signature(Task.options).parameters)[1:]
    assert API.names("Options") == parameters


def test_every_parameter_of_a_signal_is_in_the_api():
    """With its default."""
    [later, give_up] = [row[0] for row in API.table("Signals")]
    signature = inspect.signature(fw_core.RetryLater)
    shown = [
        name if p.default is p.empty else f"{name}={p.default}"
        for name, p in signature.parameters.items()
    ]
    assert later == f"`RetryLater({', '.join(shown)})`"
    assert give_up == f"`GiveUp({', '.join(inspect.signature(fw_core.GiveUp).parameters)})`"


# ------------------------------------------------------------------------- settings, errors


def test_every_setting_is_documented_with_its_default():
    """As it would be written in the environment."""
    written = {row[0].strip("`"): row[1].strip("`") for row in SETTINGS.table("Settings")}
    assert written == {
        f"FW_{name.upper()}": default_text(field.default)
        for name, field in Settings.model_fields.items()
    }


def default_text(value):
    """Nothing is written as ``none``."""
    if value in ("", ()):
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_error_is_documented():
    """One heading each, with what it is besides; fw-testing's are a test's business."""
    headings = [heading for heading in ERRORS.headings if heading.startswith("`")]
    assert sorted(headings) == sorted(f"`{cls.__name__}`" for cls in all_errors())


@pytest.mark.parametrize("part", ["Cause:", "Fix:"])
def test_every_error_has_a_cause_and_a_fix(part):
    """So that a reader knows what to do."""
    text = ERRORS.path.read_text()
    sections = text.split("\n### ")[1:]
    assert [section.splitlines()[0] for section in sections if part not in section] == []


def all_errors():
    """The tree below FrameworkError, as far as it is fw-core's; importing makes it complete."""
    assert local.errors
    found = [FrameworkError]
    for cls in found:
        found += [sub for sub in cls.__subclasses__() if sub.__module__.startswith("fw_core.")]
    return found


# -------------------------------------------------------------------------------- command


def commands():
    """Every command with its path, groups with no options of their own left out."""
    return list(walk("fw", main))


def walk(path, command):
    """A command and those below it."""
    if isinstance(command, click.Group):
        if any(not option_is_help(option) for option in command.params):
            yield path, command
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from walk(f"{path} {name}", command.get_command(context, name))
    else:
        yield path, command


def option_is_help(option):
    """``--help`` is everywhere and documented nowhere."""
    return option.name == "help"


def test_every_command_is_documented():
    """In the order of ``fw --help``."""
    headings = [heading for heading in CLI.headings if heading.split()[0] == "fw"]
    assert headings == [path for path, _ in commands()]


@pytest.mark.parametrize(
    "path,command", commands(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_option_of_a_command_is_documented(path, command):
    """By its long name."""
    options = {
        max(option.opts, key=len) for option in command.params if isinstance(option, click.Option)
    }
    written = {row[0].strip("`") for row in CLI.table(path)}
    assert written == options


# ------------------------------------------------------------------------------ wire format


def test_the_queues_have_the_arguments_that_are_documented():
    """Both kinds."""
    topology = Topology()
    task = {row[0].strip("`"): row[1].strip("`") for row in WIRE.table("Queues")}
    assert task == {k: str(v) for k, v in topology.task_queue("default").queue_arguments.items()}
    wait = {row[0].strip("`") for row in WIRE.table("Wait queues")}
    assert wait == set(topology.wait_queue(100).queue_arguments)


def test_the_exchanges_are_those_that_are_documented():
    """By name."""
    topology = Topology()
    names = [row[0].strip("`") for row in WIRE.table("Exchanges")]
    fixed = [topology.tasks, topology.due, topology.dead, topology.outcomes, topology.rest]
    assert names == [*fixed, "fw.wait.<ms>", "fw.long.<ms>"]
    assert (topology.wait(100), topology.long_wait(100)) == ("fw.wait.100", "fw.long.100")


def test_the_number_of_wait_queues_is_the_one_that_is_documented():
    """It is part of what an operator sees."""
    assert f"There are {len(STEPS_MS)} steps" in WIRE.path.read_text()


def test_every_column_of_a_result_is_documented():
    """In the order of the table; the other tables are named."""
    assert [row[0].strip("`") for row in WIRE.table("Results")] == results.columns.keys()
    text = WIRE.path.read_text()
    assert [table for table in metadata.tables if f"`{table}`" not in text] == []


def test_the_message_that_is_documented_is_run(fw_broker):
    """A sender in another language can copy it."""
    done = []

    @task_framework(name="orders.process_order")
    def process_order(order_id: int) -> str:
        done.append(order_id)
        return f"Order {order_id} processed"

    [block] = [block for block in WIRE.blocks if block.language == "json"]
    message = json.loads(block.text)
    app = client.current_app()
    with app.producer_or_acquire() as producer:
        producer.publish(
            json.dumps(message["body"]),
            exchange=app.topology.tasks,
            routing_key="default",
            headers=message["headers"],
            serializer=None,
            **message["properties"],
        )
    fw_broker.drain()

    assert done == [42]
    assert process_order.result(message["headers"]["id"]).get() == "Order 42 processed"
