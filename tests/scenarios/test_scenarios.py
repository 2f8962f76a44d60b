"""The fake equals the real thing: the same programs, the same events, on three engines.

A scenario is a small program and the events that it must produce. It is played

- on the fake (``fw_testing``), in this process and in virtual time,
- on the local transport, by a real worker process,
- on RabbitMQ with PostgreSQL, by a real worker process,

and on each of them what one recorder has noted must be what is written. To add one, put five lines
and their events into a module ``modules/scenarios_*.py``; nothing else has to be told::

    @task_framework(retries=1, backoff=[0.1], jitter=0)
    def greets(name: str) -> str:
        return f"Hello {name}"

    @scenario('''
        greets('Ada')
            1: succeeded 'Hello Ada'
            result SUCCESS 'Hello Ada'
    ''')
    def a_greeting():
        greets.delay("Ada")

The name is a claim, the block is a call: who is called, then its attempts by their numbers, the
stored result, the dead letter. What is usual is not written: a call is sent once, by the test, to
the queue ``default``. Else the first line says ``by ship(1)`` (sent while that ran), ``after
ship(1)`` (sent because it had ended), ``sent 2 times``, ``to mail``, ``delayed``, ``expires``,
``priority 7`` or ``from elsewhere``. Events of one call are in order, and a call comes after the
one that sent it; the blocks themselves are in any order. Ids are random, so calls are known by
their arguments: give two calls two arguments where they could be mixed up.

The waits are real on two of the engines, so they are short: 0.1 to 0.5 seconds. A scenario that
has to wait for something is a generator, and yields a function that is true when it is there.
``watch(name, id)`` shows the result of a call that is never sent, such as a last step that nothing
comes to. A body that fails on some of its runs asks ``times_run()``; one whose process is to die
calls ``process_dies()``. With ``in_order=[...]`` the order of the calls is compared too.

``pytest tests/scenarios -k 'fake and a_greeting'`` shows what is different. What an engine cannot
show is said in the scenario: ``needs_priorities``, which quorum queues before RabbitMQ 4.0 lack.
One kind of event is the fake's own: a body that raises ``KeyboardInterrupt`` ends the run of the
tests there, and is a failed attempt on a worker.
"""

from __future__ import annotations

import pytest
from scenario import Scenario, scenarios
from scenario_story import difference

from . import fake_engine
from .recorded import Recorded

each_scenario = pytest.mark.parametrize("scenario", scenarios().values(), ids=str)


@each_scenario
def test_on_the_fake(scenario: Scenario):
    compare(scenario, fake_engine.play(scenario))


@each_scenario
@pytest.mark.timeout(300)  # the first one plays them all
def test_on_the_local_transport(scenario: Scenario, local_engine):
    compare(scenario, local_engine(scenario))


@each_scenario
@pytest.mark.fw_services
@pytest.mark.timeout(300)
def test_on_rabbitmq_and_postgresql(scenario: Scenario, servers_engine):
    recorded = servers_engine(scenario)
    compare(scenario, recorded, in_any_order=scenario.needs_priorities and recorded.no_priorities)


@pytest.mark.timeout(300)
def test_nothing_else_happened_on_the_local_transport(local_engine):
    assert local_engine(None).events == ""


@pytest.mark.fw_services
@pytest.mark.timeout(300)
def test_nothing_else_happened_on_rabbitmq_and_postgresql(servers_engine):
    assert servers_engine(None).events == ""


def compare(scenario: Scenario, recorded: Recorded, *, in_any_order: bool = False) -> None:
    different = difference(scenario.events, recorded.events)
    if different:
        pytest.fail(f"{scenario.name}, in {scenario.module}:\n{different}", pytrace=False)
    if scenario.in_order and not in_any_order:
        assert list(recorded.started) == list(scenario.in_order)
