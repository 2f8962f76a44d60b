"""``fw send`` on the local transport: what is sent, and what is refused."""

from __future__ import annotations

import json
import socket


def test_it_prints_the_id_of_what_it_queued(fw, tasks, queued):
    sent = fw("send", f"{tasks}.process_order", "7").stdout.strip()
    [message] = queued()
    assert message == {"task": f"{tasks}.process_order", "id": sent, "args": [7], "kwargs": {}}


def test_json_is_one_document_with_the_id(fw, tasks, queued):
    document = json.loads(fw("send", f"{tasks}.process_order", "7", "--json").stdout)
    assert document == {"id": queued()[0]["id"], "task": f"{tasks}.process_order"}


def test_words_become_what_the_annotations_ask_for(fw, tasks, queued):
    """A date as text, digits for a str, key=value for a named argument."""
    fw("send", f"{tasks}.remind", "2026-01-02", "007", "times=3", "extra=5")
    [message] = queued("bulk")
    values = [*message["args"], *message["kwargs"].values()]
    assert values[:3] == ["2026-01-02", "007", 3]
    assert message["kwargs"]["extra"] == 5


def test_named_arguments_can_be_one_json_object(fw, tasks, queued):
    fw("send", f"{tasks}.process_order", "--kwargs", '{"order_id": 7}')
    [message] = queued()
    assert [*message["args"], *message["kwargs"].values()] == [7]


def test_a_negative_number_is_an_argument(fw, tasks, queued):
    fw("send", f"{tasks}.process_order", "-7")
    assert queued()[0]["args"] == [-7]


def test_after_two_dashes_everything_is_an_argument(fw, tasks, queued):
    fw("send", "task1", "--", "--wait")
    assert queued()[0]["args"] == ["--wait"]


def test_a_misspelt_option_is_refused_and_not_sent(fw, tasks, queued):
    assert "No such option" in fw("send", "task1", "--wiat", code=2).stderr
    assert queued() == []


def test_an_unknown_task_comes_with_the_nearest_and_nothing_is_sent(fw, tasks, queued):
    said = fw("send", f"{tasks}.proces_order", "7", code=2)
    assert f"Did you mean '{tasks}.process_order'" in said.stderr
    assert said.stdout == ""
    assert queued() == []


def test_a_wrong_argument_is_refused_before_anything_is_sent(fw, tasks, queued):
    said = fw("send", f"{tasks}.process_order", "seven", code=2)
    assert "argument 'order_id' must be int, got 'seven'" in said.stderr
    assert queued() == []


def test_kwargs_that_are_no_object_are_refused(fw, tasks):
    assert "must be a JSON object" in fw("send", "task1", "--kwargs", "[1]", code=2).stderr


def test_an_unknown_queue_is_refused(fw, tasks, queued):
    said = fw("send", "task1", "1", "--queue", "bulkk", code=2)
    assert "Did you mean 'bulk'?" in said.stderr
    assert queued() == []


def test_waiting_for_a_result_that_is_never_kept_is_refused(fw, tasks, queued):
    said = fw("send", f"{tasks}.process_order", "7", "--wait", code=2)
    assert "keeps no result" in said.stderr
    assert queued() == []


def test_a_wait_that_is_over_is_said_and_leaves_the_id(fw, tasks):
    """No worker runs here; the id is on standard output, so that nothing is lost."""
    said = fw("send", "task1", "1", "--wait", "--timeout", "0", "--json", code=1)
    assert json.loads(said.stdout)["state"] == "PENDING"
    assert "No result of" in said.stderr


def test_a_broker_that_is_down_is_the_world_s_fault(fw, tasks, monkeypatch):
    """Exit code 1, the broker named without its password."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setenv("FW_BROKER_URL", f"amqp://user:geheim@127.0.0.1:{port}//")
    monkeypatch.setenv("FW_SEND_TIMEOUT", "1")
    said = fw("send", "task1", "1", code=1)
    assert f"amqp://user:***@127.0.0.1:{port}// did not take it" in said.stderr
    assert "geheim" not in said.output
