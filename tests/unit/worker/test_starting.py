"""What a worker says of itself when it starts."""

from __future__ import annotations

import json

import pytest

from fw_core.settings import read_settings
from fw_worker.app import create_app
from fw_worker.starting import notices, starting

AMQP = "amqp://guest:geheim@127.0.0.1:1//"
DOWN = "postgresql://fw:geheim@127.0.0.1:1/fw"


@pytest.fixture
def app(tmp_path, declaring):
    def make(**given):
        return create_app(read_settings(directory=tmp_path, **given), {})

    return make


def test_it_says_that_no_server_is_used(app):
    [notice] = notices(app(), pool="prefork")
    assert "files on this machine" in notice


def test_it_says_that_results_stay_on_this_machine(app):
    [notice] = notices(app(broker_url=AMQP), pool="prefork")
    assert "a caller elsewhere cannot read them" in notice


def test_it_says_that_threads_cannot_stop_a_blocking_call(app):
    assert any("blocking call" in notice for notice in notices(app(), pool="threads"))


def test_it_says_that_solo_does_not_answer_rabbitmq_while_a_task_runs(app):
    assert any("60 s" in notice for notice in notices(app(broker_url=AMQP), pool="solo"))
    assert not any("60 s" in notice for notice in notices(app(), pool="solo"))


def test_it_says_that_the_result_database_is_down_and_starts_all_the_same(app):
    [notice] = notices(app(broker_url=AMQP, database_url=DOWN), pool="prefork")
    assert "postgresql+psycopg2://fw:***@127.0.0.1:1/fw cannot be used" in notice


def test_it_shows_no_password_and_is_plain_json(app):
    made = starting(
        app(broker_url=AMQP), worker="w", queues=["default"], concurrency=2, pool="prefork"
    )
    assert "geheim" not in str(made) + json.dumps(made.facts())
    assert "amqp://guest:***@127.0.0.1:1//" in str(made)
    assert made.facts()["queues"] == ("default",)


def test_queues_are_shown_by_the_team_s_names(app):
    made = starting(
        app(prefix="shop."), worker="w", queues=["shop.default"], concurrency=1, pool="solo"
    )
    assert made.queues == ("default",)
