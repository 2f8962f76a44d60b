"""Arguments arrive as what they were sent as."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from scenario import scenario, succeeds

from fw_core import task_framework


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 2


@dataclass
class Point:
    x: int
    y: int = 0


class Order(BaseModel):
    number: int
    points: list[Point] = []


def kind(*values: object) -> str:
    return " ".join(type(value).__name__ for value in values)


@task_framework
def takes_plain(text: str, number: int, share: float, truth: bool, nothing: None) -> str:
    return f"{text} {number} {share} {truth} {nothing}"


@scenario(succeeds("takes_plain('a', 1, 0.5, True, None)", "'a 1 0.5 True None'"))
def plain_arguments():
    takes_plain.delay("a", 1, 0.5, True, None)


@task_framework
def takes_options(first: int, second: int = 2, *, third: int = 3) -> list[int]:
    return [first, second, third]


@scenario(succeeds("takes_options(1)", "[1, 2, 3]"))
def defaults_are_the_function_s():
    takes_options.delay(1)


@scenario(succeeds("takes_options(1, third=9)", "[1, 2, 9]"))
def named_arguments():
    takes_options.delay(first=1, third=9)


@task_framework
def takes_any_number(*numbers: int, **named: int) -> list[Any]:
    return [list(numbers), named]


@scenario(succeeds("takes_any_number(1, 2, a=3)", "[[1, 2], {'a': 3}]"))
def any_number_of_arguments():
    takes_any_number.delay(1, 2, a=3)


@task_framework
def takes_times(day: date, moment: datetime, hour: time, span: timedelta) -> str:
    return kind(day, moment, hour, span)


@scenario(
    succeeds(
        "takes_times('2026-01-02', '2026-01-02T03:04:00Z', '03:04:00', 'PT5M')",
        "'date datetime time timedelta'",
    )
)
def times_as_arguments():
    moment = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    takes_times.delay(date(2026, 1, 2), moment, time(3, 4), timedelta(minutes=5))


@task_framework
def takes_rare(amount: Decimal, key: UUID, raw: bytes) -> str:
    return kind(amount, key, raw)


@scenario(succeeds("takes_rare('1.10', '<id>', 'AP8=')", "'Decimal UUID bytes'"))
def decimals_uuids_and_bytes_as_arguments():
    takes_rare.delay(Decimal("1.10"), UUID(int=7), b"\x00\xff")


@task_framework
def takes_enums(colour: Colour, level: Level) -> str:
    return kind(colour, level)


@scenario(succeeds("takes_enums('red', 2)", "'Colour Level'"))
def enums_as_arguments():
    takes_enums.delay(Colour.RED, Level.HIGH)


@task_framework
def takes_objects(point: Point, order: Order) -> str:
    return f"{kind(point, order, order.points[0])} {point.y}"


@scenario(
    succeeds(
        "takes_objects({'x': 1, 'y': 0}, {'number': 1, 'points': [{'x': 2, 'y': 0}]})",
        "'Point Order Point 0'",
    )
)
def dataclasses_and_models_as_arguments():
    takes_objects.delay(Point(1), Order(number=1, points=[Point(2)]))


@task_framework
def takes_collections(days: list[date], counts: dict[str, int], both: tuple[int, str]) -> str:
    return f"{kind(days[0], counts, both)} {sorted(counts)}"


@scenario(
    succeeds("takes_collections(['2026-01-02'], {'a': 1}, [1, 'a'])", "\"date dict tuple ['a']\"")
)
def collections_as_arguments():
    takes_collections.delay([date(2026, 1, 2)], {"a": 1}, (1, "a"))


@task_framework
def takes_a_set(numbers: set[int]) -> str:
    return kind(numbers)


@scenario(succeeds("takes_a_set([7])", "'set'"))
def a_set_as_an_argument():
    takes_a_set.delay({7})


@task_framework
def takes_anything(value):
    return kind(value)


@scenario(succeeds("takes_anything([1, 2])", "'list'"))
def a_tuple_arrives_as_a_list_where_no_type_is_stated():
    takes_anything.delay((1, 2))


@scenario(succeeds("takes_anything({'__type__': 'date', '__value__': '2026-01-02'})", "'date'"))
def a_date_arrives_as_a_date_where_no_type_is_stated():
    takes_anything.delay(date(2026, 1, 2))


@scenario(succeeds("takes_anything('Straße \N{SNOWMAN}')", "'str'"))
def a_text_of_any_script():
    takes_anything.delay("Straße \N{SNOWMAN}")


@task_framework
def counts(text: str) -> int:
    return len(text)


@scenario(succeeds(f"counts('{'x' * 59}… (100002))", "100000"))
def a_large_argument():
    counts.delay("x" * 100_000)


@task_framework
def takes_maybe(number: int | None = None, colour: Colour | None = None) -> str:
    return kind(number, colour)


@scenario(succeeds("takes_maybe(None, 'red')", "'NoneType Colour'"))
def a_type_or_nothing():
    takes_maybe.delay(None, Colour.RED)


@scenario("")
def a_wrong_argument_is_refused_before_anything_is_sent():
    from fw_core import CallError

    for wrong in (("seven",), (1, 2, 3, 4), ()):
        try:
            takes_options.delay(*wrong)
        except CallError:
            continue
        raise AssertionError(wrong)
