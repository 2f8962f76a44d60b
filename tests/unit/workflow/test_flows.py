"""What one step returns and the next one takes: a mismatch is only said where it is certain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, PlainSerializer, model_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass

from fw_core.call.carriers import carrier
from fw_core.call.plain import NotPlainError
from fw_core.workflow.flows import Shape, each_of, fits, list_of, shape_of, union


@dataclass
class Order:
    number: int


@pydantic_dataclass
class Checked:
    number: int

    @model_validator(mode="before")
    @classmethod
    def of_text(cls, value: Any) -> Any:
        return {"number": len(value)}


class Address(TypedDict):
    city: str


class Invoice(BaseModel):
    total: int


CERTAIN = [
    (str, int), (int, str), (float, str), (bool, int), (int, bool), (None, int), (str, list[str]),
    (list[str], list[int]), (list[int], dict), (dict[str, int], list), (dict[str, str], int),
    (dict[str, str], dict[str, int]), (str | None, int), (int | None, str), (Order, int),
    (Address, str), (datetime, bool), (list[list[str]], list[list[int]]), (Literal["a"], int),
    (Annotated[str, "note"], int), (tuple[int, ...], list[str]), (UUID, list[str]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "taken"), CERTAIN)
def test_what_never_fits_is_known(given, taken):
    assert not fits(shape_of(given), shape_of(taken, is_read=True))


FITTING = [
    (str, str), (int, float), (float, int), (int, int | None), (int | None, int), (Any, int),
    (int, Any), (str, datetime), (datetime, str), (date, datetime), (Order, dict), (dict, Order),
    (Order, Address), (Invoice, dict), (list[int], list[float]), (list, list[int]),
    (tuple[int, str], list[str]), (list[str] | int, int), (set[int], list[int]), (object, int),
    (Decimal, float), (timedelta, float), (Invoice, Order), (list[Any], list[int]),
    (str, Annotated[int, BeforeValidator(len)]), (bool, Literal[1]), (str, Checked),
    (Annotated[int, PlainSerializer(str)], str), (Literal["a"], str),
]  # fmt: skip


@pytest.mark.parametrize(("given", "taken"), FITTING)
def test_what_may_fit_is_let_through(given, taken):
    assert fits(shape_of(given), shape_of(taken, is_read=True))


VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text("0a1", min_size=1, max_size=3),
    int: st.integers(-5, 5),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    type(None): st.none(),
    datetime: st.datetimes(),
    UUID: st.uuids(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    timedelta: st.timedeltas(),
    bytes: st.binary(max_size=3),
    Order: st.builds(Order, st.integers(0, 5)),
    Invoice: st.builds(Invoice, total=st.integers(0, 5)),
}


def annotations(depth: int = 2) -> st.SearchStrategy[tuple[Any, st.SearchStrategy[Any]]]:
    simple = st.sampled_from(list(VALUES.items()))
    if not depth:
        return simple
    inner = annotations(depth - 1)
    return st.one_of(
        simple,
        inner.map(lambda one: (list[one[0]], st.lists(one[1], min_size=1, max_size=2))),
        inner.map(
            lambda one: (
                dict[str, one[0]],
                st.dictionaries(st.text(max_size=2), one[1], min_size=1, max_size=2),
            )
        ),
        st.tuples(inner, inner).map(lambda two: (two[0][0] | two[1][0], two[0][1] | two[1][1])),
    )


@given(annotations(), annotations(), st.data())
def test_of_what_is_called_a_mismatch_no_value_gets_through(given_, taken, data):
    """Through the result's encoding and the argument's decoding, as a worker does."""
    annotation, values = given_
    value = data.draw(values)
    if fits(shape_of(annotation), shape_of(taken[0], is_read=True)):
        return
    with pytest.raises(NotPlainError):
        carrier(taken[0]).decode("argument", carrier(annotation).encode("result", value))


def test_a_join_gives_a_list_of_what_its_branches_give():
    join = list_of([shape_of(int), shape_of(str)])
    assert join.shown == "a list of int or str"
    assert fits(join, shape_of(list[int | str]))
    assert not fits(join, shape_of(list[int]))
    assert not fits(join, shape_of(list[dict]))
    assert not fits(join, shape_of(int))
    assert fits(list_of([shape_of(Any), shape_of(int)]), shape_of(list[int]))
    assert not fits(list_of([shape_of(Any), shape_of(str)]), shape_of(list[int]))


def test_of_values_from_two_places_each_has_to_fit():
    some = each_of([shape_of(int), shape_of(str)])
    assert not fits(some, shape_of(str))
    assert fits(some, shape_of(int | str))
    assert fits(each_of([shape_of(int), Shape()]), shape_of(int))
    assert each_of([shape_of(int), shape_of(int)]) == shape_of(int)


def test_either_of_two_is_both():
    either = union([shape_of(list[int]), shape_of(str)])
    assert fits(either, shape_of(str))
    assert fits(either, shape_of(list[int]))
    assert not fits(either, shape_of(list[str]))
    assert union([shape_of(int), Shape()]).kinds is None
