"""What a refused argument says: what, why, and a line to copy."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import pytest

from fw_core import CallError
from fw_core.call import plain
from fw_core.call.arguments import Arguments


class Order:
    def __init__(self, id: int) -> None:
        self.id = id

    def __repr__(self) -> str:
        return f"Order(id={self.id})"


class SqlAlchemyOrder:
    """As SQLAlchemy maps one; its columns cannot be read once the session is closed."""

    __table__ = "orders"

    @property
    def id(self) -> int:
        raise RuntimeError("Instance is not bound to a Session")

    def __repr__(self) -> str:
        return "<Order 7>"


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no session")


class Lines:
    def __repr__(self) -> str:
        return "first\nsecond\n\tthird"


class Color(enum.Enum):
    RED = 1


@dataclass
class Point:
    x: int


def refusal(function, *args: Any, **kwargs: Any) -> CallError:
    with pytest.raises(CallError) as caught:
        Arguments(f"orders.{function.__name__}", function).encode(args, kwargs)
    return caught.value


def process_order(order_id: int) -> None: ...


def process(data) -> None: ...


def test_an_object_for_an_id_says_to_send_its_id():
    """The example of the style guide, word for word."""
    assert str(refusal(process_order, Order(42))) == (
        "orders.process_order: argument 'order_id' must be int, got Order(id=42).\n"
        "Arguments travel as JSON, so send an identifier and load the object inside the task.\n"
        "Fix: process_order.delay(order.id)"
    )


def test_text_for_an_int_says_what_to_pass():
    assert str(refusal(process_order, "42")) == (
        "orders.process_order: argument 'order_id' must be int, got '42'.\n"
        "The worker would fail on it, so nothing was sent.\n"
        "Fix: pass int as order_id, or change its annotation."
    )


def test_an_object_without_an_annotation_says_to_send_its_id():
    assert str(refusal(process, Order(42))) == (
        "orders.process: argument 'data' cannot be carried by JSON: Order(id=42).\n"
        "Arguments travel as JSON, so send an identifier and load the object inside the task.\n"
        "Fix: process.delay(data.id)"
    )


def test_a_mapped_object_whose_id_cannot_be_read_says_to_send_its_id():
    assert refusal(process, SqlAlchemyOrder()).fix == "process.delay(data.id)"


def test_an_object_inside_a_list_is_pointed_at():
    error = refusal(process, {"orders": [1, Order(42)]})

    assert "\"data['orders'][1]\" cannot be carried by JSON: Order(id=42)" in error.what
    assert error.fix == "put data['orders'][1].id in its place."


def test_a_wrong_item_of_a_list_is_pointed_at():
    def process_orders(order_ids: list[int]) -> None: ...

    error = refusal(process_orders, [1, "2"])

    assert error.what == (
        "orders.process_orders: argument 'order_ids[1]' must be a valid integer, got '2'."
    )
    assert error.fix == "pass list[int] as order_ids, or change its annotation."


def test_a_wrong_key_is_pointed_at():
    def process_orders(notes: dict[int, str]) -> None: ...

    assert "must be a valid integer, got the key 'a'" in refusal(process_orders, {"a": "b"}).what


def test_a_missing_field_is_named():
    def move(to: Point) -> None: ...

    error = refusal(move, {"x": 1})

    assert error.what.startswith("orders.move: argument 'to' must be Point")


def test_a_constraint_is_named():
    from typing import Annotated

    from pydantic import Field

    def wait(seconds) -> None: ...

    wait.__annotations__ = {"seconds": Annotated[int, Field(gt=0)]}

    assert refusal(wait, -3).what == (
        "orders.wait: argument 'seconds' must be greater than 0, got -3."
    )


def test_a_set_says_to_sort_it():
    error = refusal(process, {3})

    assert (error.why, error.fix) == ("JSON has no sets.", "process.delay(sorted(value))")


def test_an_iterator_says_to_make_a_list():
    assert refusal(process, (n for n in [1])).fix == "process.delay(list(value))"


@pytest.mark.parametrize("code", [len, Order, Order(1).__repr__, lambda: None])
def test_code_says_to_send_its_name(code):
    assert refusal(process, code).why == "Code does not travel in a message."


@pytest.mark.parametrize(
    ("value", "name"), [(Color.RED, "Color"), (Point(1), "Point"), (timedelta(1), "timedelta")]
)
def test_what_only_an_annotation_can_carry_says_to_annotate(value, name):
    assert refusal(process, value).fix == f"annotate the parameter, such as data: {name}"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_have_is_refused(number):
    for value in (number, [number], {"a": number}):
        assert refusal(process, value).why == "JSON has no infinity and no NaN."

    def measure(value: float) -> None: ...

    assert refusal(measure, number).why == "JSON has no infinity and no NaN."


def test_a_key_that_is_no_text_is_refused():
    error = refusal(process, {1: "a"})

    assert "argument 'data[1]' cannot be carried by JSON: the key 1" in error.what
    assert "annotate the parameter, such as data: dict[int, str]" in error.fix


def circle() -> list[Any]:
    holds_itself: list[Any] = [1]
    holds_itself.append(holds_itself)
    return holds_itself


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("annotation", [Any, list, list[Any], list[list[Any]] | None])
@pytest.mark.parametrize("make", [circle, lambda: deep(100_000)])
def test_a_list_that_holds_itself_is_refused(annotation, make):
    def process_all(data) -> None: ...

    process_all.__annotations__ = {"data": annotation}
    value = make()

    with pytest.raises(CallError, match="argument ['\"]data"):
        Arguments("orders.process_all", process_all).encode((value,), {})
    while value and isinstance(value[0], list):  # deep lists are freed by recursion
        value = value[0]


def test_fifty_levels_are_not_too_deep():
    Arguments("t", process).encode((deep(50),), {})


@pytest.mark.parametrize("annotation", [Any, int, list[int]])
def test_a_number_of_thousands_of_digits_is_refused(annotation):
    """Python itself refuses to read it back."""

    def count(n) -> None: ...

    count.__annotations__ = {"n": annotation}
    value: Any = 10**5000

    assert (
        "thousands of digits" in refusal(count, [value] if annotation == list[int] else value).what
    )


@pytest.mark.parametrize("annotation", [Any, str, list[str], dict[str, Any]])
def test_half_a_character_is_refused(annotation):
    def say(text) -> None: ...

    say.__annotations__ = {"text": annotation}
    half = {list[str]: ["\ud800"], dict[str, Any]: {"\ud800": 1}}.get(annotation, "\ud800")

    assert "lone surrogate" in refusal(say, half).why


@pytest.mark.parametrize("function", [process, process_order])
def test_a_value_whose_repr_fails_is_shown_by_its_class(function):
    assert "<Unshowable>" in refusal(function, Unshowable()).what


@pytest.mark.parametrize(
    "value", [Lines(), "x" * 10_000, Order("y" * 10_000), {"k" * 500: Lines()}]
)
def test_a_message_has_three_lines_that_can_be_read(value):
    """What, why, Fix: whatever the value looks like."""
    lines = str(refusal(process_order, value)).splitlines()

    assert len(lines) == 3
    assert lines[2].startswith("Fix: ")
    assert max(map(len, lines)) < 200


def test_a_message_shows_a_value_of_many_lines_on_one():
    assert "got first second third." in refusal(process_order, Lines()).what


def test_braces_in_an_annotation_or_a_key_are_shown_as_they_are():
    def choose(which: Literal["{x}", "{}"]) -> None: ...

    assert refusal(choose, 3).fix == "pass Literal['{x}', '{}'] as which, or change its annotation."
    assert refusal(process, {"{data}": Order(1)}).fix == "put data['{data}'].id in its place."


def test_nothing_is_changed_in_what_was_passed():
    data = {"a": [1, (2, 3)]}

    sent = Arguments("t", process).encode((data,), {})

    assert data == {"a": [1, (2, 3)]}
    assert sent.args[0] is not data


def test_a_short_value_is_shown_whole():
    assert plain.show("x" * 70) == repr("x" * 70)
