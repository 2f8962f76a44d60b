"""What is sent is what arrives, for every annotation: encode, JSON, decode."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, NotRequired
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.json import dumps, loads
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from fw_core import CallError
from fw_core.call.arguments import Arguments


class Color(enum.Enum):
    RED = "red"
    BLUE = 2


@dataclass
class Line:
    sku: str
    count: int
    price: Decimal


@dataclass
class Order:
    id: UUID
    lines: list[Line] = field(default_factory=list)
    due: date | None = None


class Address(BaseModel):
    street: str
    numbers: dict[int, str]
    since: datetime | None = None


class Row(TypedDict):
    id: int
    note: NotRequired[str]


UserId = NewType("UserId", int)

texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers()
floats = st.floats(allow_nan=False, allow_infinity=False)
decimals = st.decimals(allow_nan=False, allow_infinity=False)
moments = st.one_of(st.datetimes(), st.datetimes(timezones=st.just(UTC)))
durations = st.timedeltas(timedelta(days=-999_999), timedelta(days=999_999))
plain = st.recursive(
    st.none() | st.booleans() | numbers | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
marked = plain | moments | st.dates() | st.times() | decimals | st.uuids() | st.binary()
orders = st.builds(
    Order,
    id=st.uuids(),
    lines=st.lists(st.builds(Line, sku=texts, count=numbers, price=decimals), max_size=3),
    due=st.none() | st.dates(),
)
addresses = st.builds(
    Address,
    street=texts,
    numbers=st.dictionaries(numbers, texts, max_size=3),
    since=st.none() | st.datetimes(timezones=st.just(UTC)),
)
rows = st.fixed_dictionaries({"id": numbers}, optional={"note": texts})

CASES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "int": (int, numbers),
    "str": (str, texts),
    "float": (float, floats),
    "bool": (bool, st.booleans()),
    "None": (None, st.none()),
    "int | None": (int | None, st.none() | numbers),
    "int | str": (int | str, numbers | texts),
    "list[int]": (list[int], st.lists(numbers)),
    "list[float]": (list[float], st.lists(floats)),
    "list[str | None]": (list[str | None], st.lists(st.none() | texts)),
    "dict[str, int]": (dict[str, int], st.dictionaries(texts, numbers)),
    "dict[int, str]": (dict[int, str], st.dictionaries(numbers, texts)),
    "dict[UUID, list[int]]": (
        dict[UUID, list[int]],
        st.dictionaries(st.uuids(), st.lists(numbers)),
    ),
    "tuple[int, str]": (tuple[int, str], st.tuples(numbers, texts)),
    "tuple[int, ...]": (tuple[int, ...], st.lists(numbers).map(tuple)),
    "set[int]": (set[int], st.sets(numbers)),
    "frozenset[str]": (frozenset[str], st.frozensets(texts)),
    "datetime": (datetime, moments),
    "date": (date, st.dates()),
    "time": (time, st.times()),
    "timedelta": (timedelta, durations),
    "UUID": (UUID, st.uuids()),
    "Decimal": (Decimal, decimals),
    "bytes": (bytes, st.binary()),
    "list[bytes]": (list[bytes], st.lists(st.binary())),
    "Color": (Color, st.sampled_from(Color)),
    "Literal": (Literal["a", 1, None], st.sampled_from(["a", 1, None])),
    "NewType": (UserId, numbers.map(UserId)),
    "Annotated": (Annotated[int, Field(ge=0)], st.integers(min_value=0)),
    "dataclass": (Order, orders),
    "list[dataclass]": (list[Order], st.lists(orders, max_size=3)),
    "model": (Address, addresses),
    "dict[str, model]": (dict[str, Address], st.dictionaries(texts, addresses, max_size=3)),
    "TypedDict": (Row, rows),
    "Any": (Any, marked),
    "dict": (dict, st.dictionaries(texts, marked)),
    "dict[str, Any]": (dict[str, Any], st.dictionaries(texts, marked)),
    "list": (list, st.lists(marked)),
    "list[dict[str, Any]]": (list[dict[str, Any]], st.lists(st.dictionaries(texts, marked))),
    "dict[str, Any] | None": (
        dict[str, Any] | None,
        st.none() | st.dictionaries(texts, marked),
    ),
}


def taking(annotation: Any) -> Arguments:
    def process(value) -> None: ...

    process.__annotations__ = {"value": annotation}
    return Arguments("t", process)


def travel(arguments: Arguments, value: Any) -> Any:
    sent = arguments.encode((value,), {})
    return arguments.decode(*loads(dumps((sent.args, sent.kwargs)))).args[0]


@pytest.mark.parametrize("case", CASES)
@given(data=st.data())
def test_what_is_sent_is_what_arrives(case, data):
    annotation, values = CASES[case]
    value = data.draw(values)

    arrived = travel(taking(annotation), value)

    assert arrived == value
    assert type(arrived) is type(value)


@pytest.mark.parametrize("case", CASES)
@given(data=st.data())
def test_what_is_plain_already_stays_as_it_is(case, data):
    """A workflow's first step is encoded once; Celery hands it over a second time."""
    annotation, values = CASES[case]
    arguments = taking(annotation)
    once = arguments.encode((data.draw(values),), {})

    twice = arguments.encode_or_keep(once.args, once.kwargs)

    assert travel_plain(arguments, twice) == travel_plain(arguments, once)


def travel_plain(arguments: Arguments, sent: Any) -> Any:
    return arguments.decode(*loads(dumps((sent.args, sent.kwargs)))).args[0]


anything = st.recursive(
    marked
    | st.floats()
    | st.text()
    | durations
    | st.sampled_from(Color)
    | st.complex_numbers()
    | st.builds(object),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | numbers | st.none(), inner, max_size=3)
        | st.sets(numbers, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("case", CASES)
@given(value=anything)
def test_any_value_arrives_equal_or_is_refused_with_a_reason(case, value):
    """No third way: nothing arrives as something else, and no error is another than CallError."""
    arguments = taking(CASES[case][0])
    try:
        arrived = travel(arguments, value)
    except CallError as error:
        assert len(str(error).splitlines()) == 3
        assert "value" in error.what
    else:
        if case == "list[float]":  # a Decimal is a number, and arrives as the float it is near
            value = [float(number) for number in value]
        assert arrived == value or has_nan(value) or case in {"model", "dict[str, model]"}


def has_nan(value: Any) -> bool:
    """Decimal("NaN") travels, and equals nothing, itself included."""
    if isinstance(value, Decimal):
        return value.is_nan()
    if isinstance(value, dict):
        return any(map(has_nan, value.values()))
    return isinstance(value, list) and any(map(has_nan, value))


@given(
    st.lists(numbers, max_size=4),
    st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.dates()),
)
def test_any_number_of_arguments_arrives(args, kwargs):
    def process(*numbers: int, **days: date) -> None: ...

    arguments = Arguments("t", process)
    sent = arguments.encode(args, kwargs)

    arrived = arguments.decode(*loads(dumps((sent.args, sent.kwargs))))

    assert (arrived.args, arrived.kwargs) == (tuple(args), kwargs)


@given(st.floats())
def test_a_float_arrives_or_is_refused(number):
    try:
        arrived = travel(taking(float), number)
    except CallError:
        assert not math.isfinite(number)
    else:
        assert arrived == number
