"""What a person types becomes what a task takes."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_core import CallError, task_framework
from fw_worker.typed_arguments import typed_arguments


@pytest.fixture
def task(nested):
    @task_framework
    def remind(day: date, text: str, times: int = 1, *rest: Any, **more: Any) -> None: ...

    return remind


def test_a_date_is_read_from_its_text(task):
    assert typed_arguments(task, ["2026-01-02", "x"]).args[:2] == (date(2026, 1, 2), "x")


def test_digits_stay_text_where_the_task_wants_text(task):
    assert typed_arguments(task, ["2026-01-02", "007"]).args[1] == "007"
    named = typed_arguments(task, ["2026-01-02", "text=7"])
    assert "7" in (*named.args, *named.kwargs.values())


def test_a_name_that_is_no_parameter_is_part_of_a_text(nested):
    @task_framework
    def say(text: str) -> None: ...

    assert typed_arguments(say, ["a=b"]).args == ("a=b",)


def test_a_name_may_be_anything_where_the_task_takes_anything(nested):
    @task_framework
    def say(**more: Any) -> None: ...

    assert typed_arguments(say, ["a=1", "b=two"]).kwargs == {"a": 1, "b": "two"}


def test_json_is_read_as_json(nested):
    @task_framework
    def keep(*values: Any) -> None: ...

    words = ["7", "1.5", "true", "null", '"7"', "[1, 2]", '{"a": 1}', "seven", "NaN", ""]
    expected = (7, 1.5, True, None, "7", [1, 2], {"a": 1}, "seven", "NaN", "")
    assert typed_arguments(keep, words).args == expected


def test_too_many_words_are_refused(nested):
    @task_framework
    def keep(value: int) -> None: ...

    with pytest.raises(CallError, match="too many positional arguments"):
        typed_arguments(keep, ["1", "2"])


def test_the_error_is_that_of_the_call_and_not_that_of_a_message(nested):
    @task_framework
    def keep(value: int) -> None: ...

    with pytest.raises(CallError) as raised:
        typed_arguments(keep, ["x"])
    assert "nothing was sent" in str(raised.value)


@given(st.text())
def test_any_text_reaches_a_text_parameter_or_means_a_json_text(word):
    """A word is taken as it stands, unless it is a JSON string."""
    import json

    from fw_worker.typed_arguments import read

    value = read(word, is_text=True)
    assert isinstance(value, str)
    assert value == word or json.loads(word) == value
