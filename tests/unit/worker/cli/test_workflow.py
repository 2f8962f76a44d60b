"""``fw workflow run``."""

from __future__ import annotations

import json


def test_the_first_task_gets_the_data_and_the_last_one_s_id_is_printed(fw, tasks, queued):
    document = json.loads(
        fw("workflow", "run", "task1", "task2", "--data", "Sample Data", "--json").stdout
    )
    [message] = queued()
    assert message["task"] == "task1"
    assert message["args"] == ["Sample Data"]
    assert document["task"] == "task2"
    assert document["id"] != message["id"]


def test_data_is_json_where_it_is_json(fw, tasks, queued):
    fw("workflow", "run", "task1", "--data", '{"id": 7}')
    assert queued()[0]["args"] == [{"id": 7}]


def test_an_unknown_step_comes_with_the_nearest_and_nothing_is_sent(fw, tasks, queued):
    said = fw("workflow", "run", "task1", "taks2", "--data", "x", code=2)
    assert "Did you mean 'task2'" in said.stderr
    assert queued() == []


def test_data_that_does_not_fit_the_first_task_is_refused(fw, tasks, queued):
    said = fw("workflow", "run", f"{tasks}.process_order", "--data", "seven", code=2)
    assert "'order_id' must be int" in said.stderr
    assert queued() == []


def test_waiting_for_a_last_task_that_keeps_no_result_is_refused(fw, tasks, queued):
    name = f"{tasks}.process_order"
    said = fw("workflow", "run", name, "--data", "7", "--wait", code=2)
    assert "keeps no result" in said.stderr
    assert queued() == []


def test_a_plan_is_read_from_a_file(fw, tasks, queued, tmp_path):
    for name, text in {
        "plan.json": '["task1", {"parallel": ["task1", "task2"]}]',
        "plan.yaml": "- task1\n- parallel: [task1, task2]\n",
    }.items():
        path = tmp_path / name
        path.write_text(text)
        fw("workflow", "run", "--plan", str(path), "--data", "Sample Data")
    assert [message["task"] for message in queued()] == ["task1"] * 2


def test_the_mistakes_of_a_plan_are_named_and_nothing_is_sent(fw, tasks, queued, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text('["task1", {"parallel": ["taks2", "task1"]}, {"task": "task1", "queue": "x"}]')
    said = fw("workflow", "run", "--plan", str(path), "--data", "x", code=2)
    assert "2 mistakes" in said.stderr
    assert "Did you mean 'task2'" in said.stderr
    assert queued() == []


def test_names_and_a_plan_are_not_given_both_nor_neither(fw, tasks, queued, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text('["task1"]')
    for more in (["task1", "--plan", str(path)], []):
        assert "or a plan by --plan" in fw("workflow", "run", *more, "--data", "x", code=2).stderr
    assert queued() == []
