"""What a task returns, as it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from scenario import fails, scenario, succeeds

from fw_core import task_framework


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int = 0


class Order(BaseModel):
    number: int
    at: date


VALUES: dict[str, Any] = {
    "none": None,
    "true": True,
    "int": 7,
    "huge": 2**70,
    "float": 0.1,
    "text": "Straße \N{SNOWMAN}",
    "empty": "",
    "list": [1, [2, None]],
    "dict": {"a": {"b": [1]}},
    "tuple": (1, "a"),
    "large": "x" * 200_000,
}


@task_framework
def returns(kind: str) -> Any:
    return VALUES[kind]


@scenario(succeeds("returns('none')", "None"))
def a_task_that_returns_nothing():
    returns.delay("none")


@scenario(succeeds("returns('true')", "True"))
def a_task_that_returns_a_truth():
    returns.delay("true")


@scenario(succeeds("returns('int')", "7"))
def a_task_that_returns_a_number():
    returns.delay("int")


@scenario(succeeds("returns('huge')", "1180591620717411303424"))
def a_task_that_returns_a_huge_number():
    returns.delay("huge")


@scenario(succeeds("returns('float')", "0.1"))
def a_task_that_returns_a_float():
    returns.delay("float")


@scenario(succeeds("returns('text')", "'Straße \N{SNOWMAN}'"))
def a_task_that_returns_a_text():
    returns.delay("text")


@scenario(succeeds("returns('empty')", "''"))
def a_task_that_returns_an_empty_text():
    returns.delay("empty")


@scenario(succeeds("returns('list')", "[1, [2, None]]"))
def a_task_that_returns_a_list():
    returns.delay("list")


@scenario(succeeds("returns('dict')", "{'a': {'b': [1]}}"))
def a_task_that_returns_a_dict():
    returns.delay("dict")


@scenario(succeeds("returns('tuple')", "[1, 'a']"))
def a_tuple_comes_back_as_a_list():
    returns.delay("tuple")


@scenario(succeeds("returns('large')", f"'{'x' * 59}… (200002)"))
def a_large_result():
    returns.delay("large")


@task_framework
def returns_times() -> list[Any]:
    return [date(2026, 1, 2), time(3, 4), datetime(2026, 1, 2, tzinfo=UTC)]


@scenario(
    succeeds(
        "returns_times()",
        "[{'__type__': 'date', '__value__': '2026-01-02'}, {'__type__… (164)",
    )
)
def a_task_that_returns_times():
    returns_times.delay()


@task_framework
def returns_decimal() -> Decimal:
    return Decimal("1.10")


@scenario(succeeds("returns_decimal()", "'1.10'"))
def a_task_that_returns_a_decimal():
    returns_decimal.delay()


@task_framework
def returns_uuid() -> UUID:
    return UUID(int=7)


@scenario(succeeds("returns_uuid()", "'<id>'"))
def a_task_that_returns_a_uuid():
    returns_uuid.delay()


@task_framework
def returns_bytes() -> bytes:
    return b"\x00\xff"


@scenario(succeeds("returns_bytes()", "'AP8='"))
def a_task_that_returns_bytes():
    returns_bytes.delay()


@task_framework
def returns_enum() -> Colour:
    return Colour.RED


@scenario(succeeds("returns_enum()", "'red'"))
def a_task_that_returns_an_enum():
    returns_enum.delay()


@task_framework
def returns_dataclass() -> Point:
    return Point(1)


@scenario(succeeds("returns_dataclass()", "{'x': 1, 'y': 0}"))
def a_task_that_returns_a_dataclass():
    returns_dataclass.delay()


@task_framework
def returns_model() -> Order:
    return Order(number=1, at=date(2026, 1, 2))


@scenario(succeeds("returns_model()", "{'number': 1, 'at': '2026-01-02'}"))
def a_task_that_returns_a_model():
    returns_model.delay()


@task_framework
def returns_set() -> set[int]:
    return {1}


@scenario(succeeds("returns_set()", "[1]"))
def a_task_that_returns_a_set():
    returns_set.delay()


class Thing:
    def __repr__(self) -> str:
        return "<a thing>"


UNFIT: dict[str, Any] = {"object": Thing(), "key": {(1, 2): 3}, "nan": float("nan")}


@task_framework(retries=3)
def returns_unfit(kind: str) -> Any:
    return UNFIT[kind]


WHY = "no-result: another attempt could not change it"


@scenario(
    fails(
        "returns_unfit('object')",
        "fw_core.ReturnError: returns_unfit returned <a thing>, which… (79)",
        WHY,
    )
)
def a_result_that_cannot_be_kept():
    returns_unfit.delay("object")


@scenario(
    fails(
        "returns_unfit('key')",
        "fw_core.ReturnError: returns_unfit returned {(1, 2): 3}, whi… (81)",
        WHY,
    )
)
def a_result_whose_keys_are_no_text():
    returns_unfit.delay("key")


@scenario(
    fails(
        "returns_unfit('nan')",
        "fw_core.ReturnError: returns_unfit returned nan, which JSON … (73)",
        WHY,
    )
)
def a_result_that_is_no_number():
    returns_unfit.delay("nan")


@task_framework(ignore_result=True, retries=0)
def keeps_none(number: int) -> Any:
    if number < 0:
        raise ValueError("negative")
    return object() if number == 0 else number


@scenario(
    """
    keeps_none(1)
        1: succeeded 1
    """
)
def a_success_whose_result_is_ignored():
    keeps_none.delay(1)


@scenario(
    """
    keeps_none(0)
        1: succeeded None
    """
)
def a_result_that_nobody_wants_may_be_anything():
    keeps_none.delay(0)


@scenario(fails("keeps_none(-1)", "ValueError: negative", "retries-spent: the task has no retries"))
def a_failure_is_kept_also_where_results_are_ignored():
    keeps_none.delay(-1)
